/** What a POST to the token end point shows of its sender: `grant_type` and what goes with it (RFC 6749, RFC 8693). */
import type { Principal } from '#access/principal.ts'
import type { TokenDesk } from '#access/token-desk.ts'
import { looksLikeToken, parseToken } from '#access/token-format.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Exchange } from '#http/exchange.ts'
import { requesterOf } from '#http/requester.ts'
import { notePasswordLogin } from '#http/note-refusal.ts'
import { noteRefused } from './note-token.ts'
import { single } from './token-form.ts'

/** Who it is. `isWhole`: without a scope the token is for all that they may. `more` stands in the answer. */
export interface Granted {
  readonly principal: Principal
  readonly isWhole: boolean
  readonly more: Readonly<Record<string, string>>
}

const exchangeType = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
const subjectTypes = new Set(['urn:ietf:params:oauth:token-type:jwt', 'urn:ietf:params:oauth:token-type:id_token'])
const jwt = /^eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** Throws UNAUTHORIZED for a wrong credential and REQUEST_INVALID for a grant that there is not. */
export async function principalOfGrant(exchange: Exchange, desk: TokenDesk, form: URLSearchParams): Promise<Granted> {
  const grantType: string = single(form, 'grant_type') ?? ''
  switch (grantType) {
    case 'password':
      return plain(await byPassword(exchange, { name: single(form, 'username') ?? '', password: required(form, 'password') }))
    case 'refresh_token':
      return plain(await byRefreshToken(exchange, desk, required(form, 'refresh_token')))
    case exchangeType:
      return await byWorkload(exchange, form)
    default:
      throw new RegistryError('REQUEST_INVALID', `grant_type is one of password, refresh_token and ${exchangeType}`)
  }
}

function plain(principal: Principal): Granted {
  return { principal, isWhole: false, more: {} }
}

function required(form: URLSearchParams, name: string): string {
  const value = single(form, name)
  if (value === undefined) throw new RegistryError('REQUEST_INVALID', `${name} is missing`)
  return value
}

interface Credential {
  readonly name: string
  readonly password: string
}

/** Judged as the same name and password in a header are, by the same code with the same back-off. */
async function byPassword(exchange: Exchange, { name, password }: Credential): Promise<Principal> {
  const isOfToken = name === '' && looksLikeToken(password)
  const authorization = isOfToken ? `Bearer ${password}` : `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
  try {
    // A colon would end the name early: nobody's name has one.
    if (name.includes(':')) throw new RegistryError('UNAUTHORIZED')
    const principal = await exchange.site.parts.access.authenticate({ ...requesterOf(exchange), authorization })
    notePasswordLogin(exchange, principal)
    return principal
  } catch (error) {
    throw noteRefused(exchange, error, name)
  }
}

/** containerd and oras send whatever came without a user name as a refresh token: a personal token then is as good. */
async function byRefreshToken(exchange: Exchange, desk: TokenDesk, secret: string): Promise<Principal> {
  const kind = parseToken(secret)?.kind
  if (kind === 'personal' || kind === 'robot') return await byPassword(exchange, { name: '', password: secret })
  try {
    return await desk.principalOfRefresh(secret)
  } catch (error) {
    throw noteRefused(exchange, error)
  }
}

/** RFC 8693: the token of a CI job for one of ours. `client_id` may name the robot; without it, the only one whose rules fit. */
async function byWorkload(exchange: Exchange, form: URLSearchParams): Promise<Granted> {
  const type = required(form, 'subject_token_type')
  if (!subjectTypes.has(type)) throw new RegistryError('REQUEST_INVALID', 'subject_token_type is that of a JWT or an ID token')
  if ((single(form, 'requested_token_type') ?? accessTokenType) !== accessTokenType) {
    throw new RegistryError('REQUEST_INVALID', 'only access tokens are issued')
  }
  if (form.has('actor_token')) throw new RegistryError('REQUEST_INVALID', 'actor_token is not understood')
  const token = required(form, 'subject_token')
  if (!jwt.test(token)) throw new RegistryError('REQUEST_INVALID', 'subject_token is no JWT')
  const principal = await byPassword(exchange, { name: single(form, 'client_id') ?? 'workload', password: token })
  return { principal, isWhole: true, more: { issued_token_type: accessTokenType } }
}
