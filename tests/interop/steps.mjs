// How a client written in JavaScript and its test talk: one JSON text a line.
import { createInterface } from 'node:readline'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n')

const read = async () => JSON.parse((await lines.next()).value)

/** Lets the test's person go to an address; gives back where the browser was sent in the end. */
export const visit = async (url) => {
  say({ visit: String(url) })
  return new URL((await read()).landed)
}

/** Runs the flow that the test names, with what it hands in, and tells what came of it. */
export const main = async (flows) => {
  const given = await read()
  say({ done: await flows[given.flow](given) })
  process.exit(0)
}
