// Flows of `oauth4webapi` (npm), OAuth without a framework, against a running Doorward; also as a resource server.
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import * as oauth from 'oauth4webapi'
import { main, visit } from './steps.mjs'

const setUp = async ({ issuer, id, secret }) => {
  const url = new URL(issuer)
  const as = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2' }))
  const oidc = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oidc' }))
  const authentication = secret ? oauth.ClientSecretBasic(secret) : oauth.None()
  return { as, same: JSON.stringify(as) === JSON.stringify(oidc), client: { client_id: id }, authentication }
}

const begun = async ({ callback, scope }) => {
  const verifier = oauth.generateRandomCodeVerifier()
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
  const parameters = new URLSearchParams({
    response_type: 'code',
    redirect_uri: callback,
    scope,
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  return { parameters, verifier, state, nonce }
}

const refusal = async (promise) => {
  try {
    await promise
  } catch (error) {
    return error.error ?? error.code ?? error.message
  }
  return null
}

// what RFC 9449 section 8 asks of a client: once more, with the nonce it was given
const persistent = async (action) => {
  try {
    return await action()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return action()
  }
}

const redeemed = async (run, { callback }, landed, { verifier, nonce }, options) =>
  persistent(async () => oauth.processAuthorizationCodeResponse(run.as, run.client,
    await oauth.authorizationCodeGrantRequest(
      run.as, run.client, run.authentication, landed, callback, verifier, options),
    { expectedNonce: nonce, requireIdToken: true }))

const landing = async (run, request) => {
  const url = new URL(run.as.authorization_endpoint)
  url.search = request
  return oauth.validateAuthResponse(run.as, run.client, await visit(url), run.state ?? oauth.skipStateCheck)
}

// as the API would: signature by the published keys, issuer, audience, type, proof
const judged = async ({ as }, { api }, tokens, proof) => {
  const scheme = proof ? 'DPoP' : 'Bearer'
  const headers = { authorization: `${scheme} ${tokens.access_token}`, ...(proof && { dpop: proof }) }
  const claims = await oauth.validateJwtAccessToken(as, new Request(api, { headers }), 'urn:doorward:api')
  return { sub: claims.sub, client_id: claims.client_id, scope: claims.scope, bound: Boolean(claims.cnf) }
}

// a fetch that shows the certificate of that file
const showing = (file) => {
  const pem = readFileSync(file)
  return (url, { method, headers, body }) => new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, cert: pem, key: pem }, async (answer) => {
      const text = (await answer.toArray()).join('')
      resolve(new Response(text || null, { status: answer.statusCode, headers: answer.headers }))
    })
    sent.on('error', reject)
    sent.end(body && String(body))
  })
}

await main({
  async whole(given) {
    const run = await setUp(given)
    const begin = await begun(given)
    begin.parameters.set('client_id', given.id)
    const landed = await landing({ ...run, state: begin.state }, begin.parameters)
    const response = await oauth.authorizationCodeGrantRequest(
      run.as, run.client, run.authentication, landed, given.callback, begin.verifier)
    const tokens = await oauth.processAuthorizationCodeResponse(run.as, run.client, response,
      { expectedNonce: begin.nonce, requireIdToken: true })
    await oauth.validateApplicationLevelSignature(run.as, response)
    const user = await oauth.processUserInfoResponse(run.as, run.client, 'alice',
      await oauth.userInfoRequest(run.as, run.client, tokens.access_token))
    const known = await oauth.processIntrospectionResponse(run.as, run.client,
      await oauth.introspectionRequest(run.as, run.client, run.authentication, tokens.access_token))
    const again = await oauth.processRefreshTokenResponse(run.as, run.client,
      await oauth.refreshTokenGrantRequest(run.as, run.client, run.authentication, tokens.refresh_token))
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(run.as, run.client, run.authentication, tokens.access_token))
    const after = await oauth.processIntrospectionResponse(run.as, run.client,
      await oauth.introspectionRequest(run.as, run.client, run.authentication, tokens.access_token))
    return {
      same: run.same,
      user,
      known,
      judged: await judged(run, given, tokens),
      judged_again: await judged(run, given, again),
      id_token_as_access_token: await refusal(judged(run, given, { access_token: tokens.id_token })),
      after,
    }
  },

  async pushed_and_bound(given) {
    const run = await setUp(given)
    const begin = await begun(given)
    const keys = await oauth.generateKeyPair(given.algorithm)
    const DPoP = oauth.DPoP({ [oauth.clockSkew]: given.clock ?? 0, ...run.client }, keys)
    const pushed = await persistent(async () => oauth.processPushedAuthorizationResponse(run.as, run.client,
      await oauth.pushedAuthorizationRequest(run.as, run.client, run.authentication, begin.parameters, { DPoP })))
    const request = new URLSearchParams({ client_id: given.id, request_uri: pushed.request_uri })
    const landed = await landing({ ...run, state: begin.state }, request)
    const stolen = await refusal(redeemed(run, given, landed, begin))
    const second = await begun(given)
    const again = await persistent(async () => oauth.processPushedAuthorizationResponse(run.as, run.client,
      await oauth.pushedAuthorizationRequest(run.as, run.client, run.authentication, second.parameters, { DPoP })))
    const back = await landing({ ...run, state: second.state },
      new URLSearchParams({ client_id: given.id, request_uri: again.request_uri }))
    const tokens = await redeemed(run, given, back, second, { DPoP })
    const answer = await persistent(() =>
      oauth.protectedResourceRequest(tokens.access_token, 'GET', new URL(given.api), undefined, undefined, { DPoP }))
    const user = await persistent(async () => oauth.processUserInfoResponse(run.as, run.client, 'alice',
      await oauth.userInfoRequest(run.as, run.client, tokens.access_token, { DPoP })))
    return { without_the_key: stolen, type: tokens.token_type, api: answer.status, user }
  },

  async device(given) {
    const run = await setUp(given)
    const asked = await oauth.processDeviceAuthorizationResponse(run.as, run.client,
      await oauth.deviceAuthorizationRequest(run.as, run.client, run.authentication, { scope: given.scope }))
    await visit(asked.verification_uri_complete)
    const poll = async () => oauth.processDeviceCodeResponse(run.as, run.client,
      await oauth.deviceCodeGrantRequest(run.as, run.client, run.authentication, asked.device_code))
    const tokens = await poll()
    return { interval: asked.interval, judged: await judged(run, given, tokens), second: await refusal(poll()) }
  },

  async exchange(given) {
    const run = await setUp(given)
    const exchanged = async (audience) => oauth.processGenericTokenEndpointResponse(run.as, run.client,
      await oauth.genericTokenEndpointRequest(run.as, run.client, run.authentication,
        'urn:ietf:params:oauth:grant-type:token-exchange', {
          subject_token: given.subject,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          audience,
        }), { recognizedTokenTypes: {} })
    const made = await exchanged('inventory')
    const headers = { authorization: `Bearer ${made.access_token}` }
    const claims = await oauth.validateJwtAccessToken(run.as, new Request(given.api, { headers }), 'inventory')
    return { sub: claims.sub, act: claims.act, type: made.issued_token_type, elsewhere: await refusal(exchanged('billing')) }
  },

  async certificate(given) {
    const run = await setUp(given)
    run.authentication = oauth.TlsClientAuth()
    run.client.use_mtls_endpoint_aliases = true
    const options = { [oauth.customFetch]: showing(given.certificate) }
    const begin = await begun(given)
    const push = async (options) => oauth.processPushedAuthorizationResponse(run.as, run.client,
      await oauth.pushedAuthorizationRequest(run.as, run.client, run.authentication, begin.parameters, options))
    const without = await refusal(push())
    const pushed = await push(options)
    const landed = await landing({ ...run, state: begin.state },
      new URLSearchParams({ client_id: given.id, request_uri: pushed.request_uri }))
    const tokens = await redeemed(run, given, landed, begin, options)
    const again = await oauth.processRefreshTokenResponse(run.as, run.client,
      await oauth.refreshTokenGrantRequest(run.as, run.client, run.authentication, tokens.refresh_token, options))
    const user = await oauth.processUserInfoResponse(run.as, run.client, 'alice',
      await oauth.userInfoRequest(run.as, run.client, again.access_token, options))
    const asked = async (options) => (await oauth.protectedResourceRequest(
      again.access_token, 'GET', new URL(given.api), undefined, undefined, options)).status
    const known = await oauth.processIntrospectionResponse(run.as, run.client,
      await oauth.introspectionRequest(run.as, run.client, run.authentication, again.access_token, options))
    const [api, stolen] = [await asked(options), await refusal(asked())]
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(run.as, run.client, run.authentication, again.refresh_token, options))
    return { without, user, bound: Boolean(known.cnf?.['x5t#S256']), api, stolen }
  },
})
