// `oidc-provider` (npm), a certified OpenID provider: people of Doorward sign in with it.
//   node oidc_provider.mjs PORT KEY.pem CERTIFICATE.pem REDIRECT_URI
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import Provider from 'oidc-provider'

const [port, key, certificate, redirectUri] = process.argv.slice(2)
const provider = new Provider(`https://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'doorward',
    client_secret: 's e%c:ret-of-the-test-only',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code'],
    response_types: ['code'],
  }],
  cookies: { keys: ['of-the-test-only'] },
  pkce: { required: () => true },
  claims: { openid: ['sub'], profile: ['preferred_username', 'roles'] },
  conformIdTokenClaims: false, // claims of scopes stand in the ID token
  findAccount: (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: `there-${id}`, preferred_username: id, roles: ['clerk', 'admin'] }),
  }),
})
createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, provider.callback())
  .listen(Number(port), '127.0.0.1', () => console.log('ready'))
