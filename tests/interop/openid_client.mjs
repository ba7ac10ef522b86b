// Flows of `openid-client` (npm), a certified relying party, against a running Doorward.
import * as client from 'openid-client'
import { main, visit } from './steps.mjs'

const found = async ({ issuer, id, secret }, authentication) => {
  const config = await client.discovery(new URL(issuer), id, { client_secret: secret }, authentication)
  client.enableNonRepudiationChecks(config) // signatures of ID tokens too, not only TLS
  return config
}

const begun = async ({ callback, scope }) => {
  const verifier = client.randomPKCECodeVerifier()
  const checks = { pkceCodeVerifier: verifier, expectedState: client.randomState(), expectedNonce: client.randomNonce() }
  const parameters = {
    redirect_uri: callback,
    scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
  }
  return [parameters, checks]
}

const refusal = async (promise) => {
  try {
    await promise
  } catch (error) {
    return { status: error.status, error: error.error, code: error.code }
  }
  return null
}

const atApi = async (config, { api }, token, options) =>
  (await client.fetchProtectedResource(config, token, new URL(api), 'GET', undefined, undefined, options)).status

const told = (tokens) => ({ type: tokens.token_type, scope: tokens.scope, claims: tokens.claims() })

const code = async (given, { pushed = false, authentication, options, clock } = {}) => {
  const config = await found(given, authentication)
  if (clock) config[client.clockSkew] = clock
  const handle = options && { DPoP: client.getDPoPHandle(config, options) }
  const [parameters, checks] = await begun(given)
  const url = pushed
    ? await client.buildAuthorizationUrlWithPAR(config, parameters, handle)
    : client.buildAuthorizationUrl(config, parameters)
  const landed = await visit(url)
  const tokens = await client.authorizationCodeGrant(
    config, landed, { ...checks, idTokenExpected: true, maxAge: given.max_age }, undefined, handle)
  const user = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, handle)
  const again = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, handle)
  return {
    config, landed, checks, tokens, again, handle,
    facts: {
      asked: [...url.searchParams.keys()].sort(),
      answered: [...landed.searchParams.keys()].sort(),
      first: told(tokens),
      user,
      api: await atApi(config, given, tokens.access_token, handle),
      refreshed: { type: again.token_type, rotated: again.refresh_token !== tokens.refresh_token },
      api_refreshed: await atApi(config, given, again.access_token, handle),
    },
  }
}

const ended = async ({ config, again }) => {
  const facts = {
    active: (await client.tokenIntrospection(config, again.access_token)).active,
    active_refresh: (await client.tokenIntrospection(config, again.refresh_token)).active,
  }
  await client.tokenRevocation(config, again.refresh_token)
  return {
    ...facts,
    active_after: (await client.tokenIntrospection(config, again.access_token)).active,
    refresh_after: await refusal(client.refreshTokenGrant(config, again.refresh_token)),
  }
}

await main({
  async code(given) {
    const run = await code(given)
    return { ...run.facts, ...(await ended(run)) }
  },

  async posted(given) {
    return (await code(given, { authentication: client.ClientSecretPost(given.secret) })).facts
  },

  async pushed(given) {
    const run = await code(given, { pushed: true })
    const config = await found(given)
    const [parameters] = await begun(given)
    const landed = await visit(client.buildAuthorizationUrl(config, parameters))
    return { ...run.facts, unpushed: landed.searchParams.get('error') }
  },

  async bound(given) {
    const keys = await client.randomDPoPKeyPair()
    const run = await code(given, { authentication: client.None(), options: keys, clock: given.clock })
    const other = { DPoP: client.getDPoPHandle(run.config, await client.randomDPoPKeyPair()) }
    return {
      ...run.facts,
      as_bearer: (await fetch(given.api, { headers: { authorization: `Bearer ${run.again.access_token}` } })).status,
      other_key: await refusal(atApi(run.config, given, run.again.access_token, other)),
      refresh_other_key: await refusal(client.refreshTokenGrant(run.config, run.again.refresh_token, undefined, other)),
    }
  },

  async own_name(given) {
    const config = await found(given)
    const tokens = await client.clientCredentialsGrant(config, { scope: given.scope })
    const handle = { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair()) }
    const bound = await client.clientCredentialsGrant(config, { scope: given.scope }, handle)
    return {
      type: tokens.token_type,
      scope: tokens.scope,
      api: await atApi(config, given, tokens.access_token),
      bound: bound.token_type,
      api_bound: await atApi(config, given, bound.access_token, handle),
      too_much: await refusal(client.clientCredentialsGrant(config, { scope: 'admin' })),
    }
  },

  async signed(given) {
    const key = await crypto.subtle.importKey(
      'jwk', given.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
    const options = await client.randomDPoPKeyPair()
    const authentication = client.PrivateKeyJwt({ key, kid: given.key.kid })
    return (await code(given, { pushed: true, authentication, options })).facts
  },

  async signed_out(given) {
    const config = await found(given)
    const [parameters, checks] = await begun(given)
    const landed = await visit(client.buildAuthorizationUrl(config, parameters))
    const tokens = await client.authorizationCodeGrant(config, landed, checks)
    const bye = await visit(client.buildEndSessionUrl(config, {
      id_token_hint: tokens.id_token, post_logout_redirect_uri: given.bye, state: 'bye-1' }))
    const silent = await visit(client.buildAuthorizationUrl(config, { ...parameters, prompt: 'none' }))
    return { bye: String(bye), silent: silent.searchParams.get('error') }
  },

  async twice(given) {
    const config = await found(given)
    const [parameters, checks] = await begun(given)
    const landed = await visit(client.buildAuthorizationUrl(config, parameters))
    const tokens = await client.authorizationCodeGrant(config, landed, checks)
    return {
      second: await refusal(client.authorizationCodeGrant(config, landed, checks)),
      first_after: (await client.tokenIntrospection(config, tokens.access_token)).active,
      another_verifier: await refusal(client.authorizationCodeGrant(
        config, await visit(client.buildAuthorizationUrl(config, parameters)),
        { ...checks, pkceCodeVerifier: client.randomPKCECodeVerifier() })),
    }
  },
})
