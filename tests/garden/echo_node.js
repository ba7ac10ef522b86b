// Node's HTTP server, saying how it read the request. `node echo_node.js PORT`
const http = require("http");
http.createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const answer = JSON.stringify({
      id: request.headers["x-request-id"] || "",
      method: request.method,
      target: request.url,
      body: Buffer.concat(pieces).toString("hex"),
    });
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(answer) });
    response.end(answer);
  });
}).listen(Number(process.argv[2]), "127.0.0.1");
