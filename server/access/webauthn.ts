/** WebAuthn (passkeys and security keys) as a second factor. The library is loaded by the first who uses it: 2 MB that most processes never need. */
import type {
  AuthenticationResponseJSON,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'

/** Whom an authenticator speaks to: the host name that people see, and the origin of the page. */
export interface RelyingParty {
  readonly id: string
  readonly origin: string
}

/** An authenticator of an account, as its row has it. */
export interface KnownAuthenticator {
  /** Base64url. */
  readonly credentialId: string
  readonly publicKey: Uint8Array
  readonly counter: number
}

export type CreationOptions = PublicKeyCredentialCreationOptionsJSON
export type RequestOptions = PublicKeyCredentialRequestOptionsJSON

/** EdDSA, ES256, RS256 (COSE): what all authenticators know. Left out, the library tries what this Node has, with warnings on the console. */
const algorithms = [-8, -7, -257]

const load = () => import('@simplewebauthn/server')

/** The party that a page of this origin speaks for. */
export function relyingParty(origin: string): RelyingParty {
  return { id: new URL(origin).hostname, origin: new URL(origin).origin }
}

/** What the browser asks an authenticator to make a key by. `challenge` is kept with the session. */
export async function creationOptions(
  party: RelyingParty,
  account: { readonly id: number; readonly name: string; readonly displayName: string },
  known: readonly KnownAuthenticator[],
): Promise<CreationOptions> {
  const { generateRegistrationOptions } = await load()
  return await generateRegistrationOptions({
    rpName: 'Berth',
    rpID: party.id,
    userName: account.name,
    userID: Uint8Array.from(Buffer.from(`user:${account.id}`)),
    userDisplayName: account.displayName,
    attestationType: 'none',
    supportedAlgorithmIDs: algorithms,
    excludeCredentials: known.map(({ credentialId }) => ({ id: credentialId })),
    authenticatorSelection: { residentKey: 'discouraged', userVerification: 'preferred' },
  })
}

/** The authenticator that answered the challenge; undefined when the answer is not one to it. */
export async function verifyCreation(party: RelyingParty, challenge: string, response: unknown): Promise<KnownAuthenticator | undefined> {
  const { verifyRegistrationResponse } = await load()
  const verified = await quietly(() =>
    verifyRegistrationResponse({
      response: response as RegistrationResponseJSON,
      expectedChallenge: challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      requireUserVerification: false,
      supportedAlgorithmIDs: algorithms,
    }),
  )
  if (verified?.verified !== true) return undefined
  const { id, publicKey, counter } = verified.registrationInfo.credential
  return { credentialId: id, publicKey, counter }
}

/** What the browser asks one of these authenticators to sign. */
export async function requestOptions(party: RelyingParty, known: readonly KnownAuthenticator[]): Promise<RequestOptions> {
  const { generateAuthenticationOptions } = await load()
  return await generateAuthenticationOptions({
    rpID: party.id,
    allowCredentials: known.map(({ credentialId }) => ({ id: credentialId })),
    userVerification: 'preferred',
  })
}

/** The authenticator's new counter; undefined when it did not sign this challenge for this party, or was copied (its counter went back). */
export async function verifyRequest(
  party: RelyingParty,
  asked: { readonly challenge: string; readonly response: unknown },
  known: KnownAuthenticator,
): Promise<number | undefined> {
  const { verifyAuthenticationResponse } = await load()
  const verified = await quietly(() =>
    verifyAuthenticationResponse({
      response: asked.response as AuthenticationResponseJSON,
      expectedChallenge: asked.challenge,
      expectedOrigin: party.origin,
      expectedRPID: party.id,
      credential: { id: known.credentialId, publicKey: Uint8Array.from(known.publicKey), counter: known.counter },
      requireUserVerification: false,
    }),
  )
  return verified?.verified === true ? verified.authenticationInfo.newCounter : undefined
}

/** The library throws for every answer that is not right, and what it throws names no cause that a caller could act on. */
async function quietly<T>(verify: () => Promise<T>): Promise<T | undefined> {
  try {
    return await verify()
  } catch {
    return undefined
  }
}
