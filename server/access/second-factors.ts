/**
 * Second factors of accounts: authenticator apps (TOTP), passkeys and security keys (WebAuthn), recovery codes.
 *
 * The problem: a factor protects only if nothing weaker adds or removes it, and if no proof of it counts twice. The way: every verb here that changes factors is
 * called for an elevated session only; a one-time password raises the counter of its row in the transaction that takes it, a challenge is taken out of
 * its session by the first answer, a recovery code is deleted by its use. Whoever has a factor opens nothing by password alone
 * (bare-password.ts): programs use personal access tokens. To add a kind: its own file, a case in {@link proveFactor}, two verbs to enrol.
 */
import { recordEvent } from '#events/record.ts'
import type { Who } from '#events/event.ts'
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Transactor } from '#metadata/metadata.ts'
import {
  deleteFactor,
  deleteFactorsOfUser,
  factorsOfUser,
  hasSecondFactor,
  insertFactor,
  takeRecoveryCode,
  useFactor,
  type FactorKind,
  type FactorRow,
} from '#metadata/second-factors.ts'
import { deleteSessionsOfUser } from '#metadata/sessions.ts'
import { transaction } from '#metadata/transaction.ts'
import { endRefreshTokens } from '#metadata/users.ts'
import { RegistryError } from '#oci/errors.ts'
import type { Directory } from './directory.ts'
import { generateRecoveryCodes, recoveryCodeHash } from './recovery-codes.ts'
import { setSessionData, takeChallenge, type OpenSession } from './sessions.ts'
import { enrolTotp, matchTotp, type TotpEnrolment } from './totp.ts'
import {
  creationOptions,
  requestOptions,
  verifyCreation,
  verifyRequest,
  type CreationOptions,
  type KnownAuthenticator,
  type RelyingParty,
  type RequestOptions,
} from './webauthn.ts'

/** More are a mistake, or an attack. */
const factorsMax = 20
const challengeMs = 5 * 60_000

/** What a person shows. `response` is what the browser's authenticator answered. */
export type FactorProof =
  | { readonly kind: 'totp'; readonly code: string }
  | { readonly kind: 'recovery'; readonly code: string }
  | { readonly kind: 'webauthn'; readonly response: unknown }

/** A person who is signed in, or half way. */
export type Person = Pick<OpenSession, 'id' | 'data'> & { readonly userId: number; readonly name: string }

/** Without recovery codes, which `codesLeft` counts. */
export async function listFactors(
  { metadata }: Directory,
  userId: number,
): Promise<{ readonly factors: readonly FactorRow[]; readonly codesLeft: number }> {
  const rows = await factorsOfUser(metadata.reader, userId)
  const factors = rows.filter(({ kind }) => kind !== 'recovery')
  return { factors, codesLeft: rows.length - factors.length }
}

const sealContext = (userId: number) => `second-factor/user/${userId}`
const pendingContext = (sessionId: number) => `session/${sessionId}/totp`

/** A secret for an app; it counts once {@link confirmTotp} has seen a code of it. */
export async function startTotp(directory: Directory, person: Person, issuer: string): Promise<TotpEnrolment> {
  await requireRoom(directory, person.userId)
  const enrolment = enrolTotp((count) => directory.ports.random.bytes(count), { issuer, account: person.name })
  const pending = directory.secrets.seal(enrolment.secret, pendingContext(person.id)).toString('base64')
  await setSessionData(directory, person.id, { pending })
  return enrolment
}

/** Adds the app. The recovery codes are those of the account's first factor; undefined for others. */
export async function confirmTotp(
  directory: Directory,
  person: Person,
  { code, name }: { readonly code: string; readonly name: string },
  who: Who,
): Promise<EnrolledFactor> {
  const { pending } = person.data
  if (pending === undefined) throw new RegistryError('CONFLICT', undefined, { message: 'nothing is being set up: start again' })
  const secret = directory.secrets.open(Buffer.from(pending, 'base64'), pendingContext(person.id))
  const step = matchTotp(secret, code, directory.ports.clock.now())
  if (step === undefined) throw wrongCode('code')
  const sealed = directory.secrets.seal(secret, sealContext(person.userId))
  return await enrol(directory, person, { kind: 'totp', name, secret: sealed, credentialId: undefined, counter: step }, who)
}

/** What the browser makes a key by. */
export async function startWebAuthn(directory: Directory, person: Person, party: RelyingParty): Promise<CreationOptions> {
  const rows = await requireRoom(directory, person.userId)
  const account = { id: person.userId, name: person.name, displayName: person.name }
  const options = await creationOptions(party, account, authenticatorsOf(rows))
  await keepChallenge(directory, person, { value: options.challenge, use: 'enrol' })
  return options
}

/** Adds the authenticator that answered. */
export async function confirmWebAuthn(
  directory: Directory,
  person: Person,
  answer: { readonly response: unknown; readonly name: string; readonly party: RelyingParty },
  who: Who,
): Promise<EnrolledFactor> {
  const challenge = await takenChallenge(directory, person, 'enrol')
  const made = challenge === undefined ? undefined : await verifyCreation(answer.party, challenge, answer.response)
  if (made === undefined) throw wrongCode('response')
  const { credentialId, publicKey, counter } = made
  const rows = await factorsOfUser(directory.metadata.reader, person.userId)
  if (rows.some((row) => row.credentialId === credentialId)) {
    throw new RegistryError('CONFLICT', undefined, { message: 'this authenticator is one of the account already' })
  }
  return await enrol(directory, person, { kind: 'webauthn', name: answer.name, secret: Buffer.from(publicKey), credentialId, counter }, who)
}

/** What one of the account's authenticators is asked to sign; undefined when it has none. */
export async function challengeAuthenticator(
  directory: Directory,
  person: Person,
  party: RelyingParty,
): Promise<RequestOptions | undefined> {
  const known = authenticatorsOf(await factorsOfUser(directory.metadata.reader, person.userId))
  if (known.length === 0) return undefined
  const options = await requestOptions(party, known)
  await keepChallenge(directory, person, { value: options.challenge, use: 'prove' })
  return options
}

/** Whether the proof is one of this person, now, and for the first time. */
export async function proveFactor(directory: Directory, person: Person, proof: FactorProof, party: RelyingParty): Promise<boolean> {
  switch (proof.kind) {
    case 'totp':
      return await proveTotp(directory, person.userId, proof.code)
    case 'recovery':
      return await proveRecoveryCode(directory, person.userId, proof.code)
    case 'webauthn':
      return await proveAuthenticator(directory, person, proof.response, party)
  }
}

const useTransaction = transaction(import.meta.url, 'second-factors/use', (tx, use: Parameters<typeof useFactor>[1]) => useFactor(tx, use))
const takeTransaction = transaction(import.meta.url, 'second-factors/take-code', (tx, code: Parameters<typeof takeRecoveryCode>[1]) =>
  takeRecoveryCode(tx, code),
)

async function proveTotp({ metadata, ports, secrets }: Directory, userId: number, code: string): Promise<boolean> {
  const at = ports.clock.now()
  for (const row of await factorsOfUser(metadata.reader, userId)) {
    if (row.kind !== 'totp') continue
    const step = matchTotp(secrets.open(row.secret, sealContext(userId)), code, at)
    if (step === undefined) continue
    if (await metadata.write(useTransaction, { id: row.id, counter: step, isIncreasing: true, at })) return true
  }
  return false
}

async function proveRecoveryCode({ metadata }: Directory, userId: number, code: string): Promise<boolean> {
  const hash = recoveryCodeHash(code)
  return hash !== undefined && (await metadata.write(takeTransaction, { userId, hash }))
}

async function proveAuthenticator(directory: Directory, person: Person, response: unknown, party: RelyingParty): Promise<boolean> {
  const { metadata, ports } = directory
  const challenge = await takenChallenge(directory, person, 'prove')
  const credentialId = (response as { readonly id?: unknown } | null)?.id
  const row = (await factorsOfUser(metadata.reader, person.userId)).find((each) => each.credentialId === credentialId)
  const [known] = row === undefined ? [] : authenticatorsOf([row])
  if (challenge === undefined || row === undefined || known === undefined) return false
  const counter = await verifyRequest(party, { challenge, response }, known)
  if (counter === undefined) return false
  return await metadata.write(useTransaction, { id: row.id, counter, isIncreasing: false, at: ports.clock.now() })
}

function authenticatorsOf(rows: readonly FactorRow[]): readonly KnownAuthenticator[] {
  return rows.flatMap(({ kind, credentialId, secret, counter }) =>
    kind === 'webauthn' && credentialId !== undefined ? [{ credentialId, publicKey: secret, counter }] : [],
  )
}

async function keepChallenge(directory: Directory, { id }: Person, challenge: { readonly value: string; readonly use: 'prove' | 'enrol' }) {
  await setSessionData(directory, id, { challenge: { ...challenge, until: directory.ports.clock.now() + challengeMs } })
}

async function takenChallenge(directory: Directory, { id, data }: Person, use: 'prove' | 'enrol'): Promise<string | undefined> {
  const { challenge } = data
  if (challenge?.use !== use || challenge.until <= directory.ports.clock.now()) return undefined
  return (await takeChallenge(directory, id, challenge.value)) ? challenge.value : undefined
}

async function requireRoom({ metadata }: Directory, userId: number): Promise<readonly FactorRow[]> {
  const rows = await factorsOfUser(metadata.reader, userId)
  if (rows.filter(({ kind }) => kind !== 'recovery').length < factorsMax) return rows
  throw new RegistryError('CONFLICT', undefined, { message: `an account has at most ${factorsMax} second factors: remove one first` })
}

/** A factor that was just added. */
export interface EnrolledFactor {
  readonly id: number
  /** In plain text, for their owner's eyes, now or never; undefined when the account has codes already. */
  readonly recoveryCodes: readonly string[] | undefined
}

interface EnrolInput {
  readonly sessionId: number
  readonly userId: number
  readonly account: string
  readonly factor: {
    readonly kind: FactorKind
    readonly name: string
    readonly secret: Buffer
    readonly credentialId: string | undefined
    readonly counter: number
  }
  readonly codeHashes: readonly Buffer[]
  readonly at: number
  readonly who: Who
}

const enrolTransaction = accessTransaction(
  import.meta.url,
  'second-factors/enrol',
  async (tx, { sessionId, userId, account, factor, codeHashes, at, who }: EnrolInput) => {
    const isFirst = !(await hasSecondFactor(tx, userId))
    const id = await insertFactor(tx, { ...factor, userId, at })
    if (isFirst) {
      await replaceCodes(tx, { userId, codeHashes, at })
      // They were opened by the password alone, which is worth nothing from now on.
      await deleteSessionsOfUser(tx, { userId, exceptId: sessionId })
      await endRefreshTokens(tx, userId)
    }
    const detail = { kind: factor.kind, name: factor.name }
    await recordEvent(tx, { action: 'second-factor.added', target: `user:${account}`, detail, at, ...who })
    return { id, isFirst }
  },
)

async function replaceCodes(
  tx: Transactor,
  { userId, codeHashes, at }: { readonly userId: number; readonly codeHashes: readonly Buffer[]; readonly at: number },
): Promise<void> {
  await deleteFactorsOfUser(tx, { userId, kind: 'recovery' })
  for (const secret of codeHashes) {
    await insertFactor(tx, { userId, kind: 'recovery', name: '', credentialId: undefined, secret, counter: 0, at })
  }
}

async function enrol(directory: Directory, person: Person, factor: EnrolInput['factor'], who: Who): Promise<EnrolledFactor> {
  const { metadata, ports } = directory
  const codes = generateRecoveryCodes(ports.random)
  const { id, isFirst } = await metadata.write(enrolTransaction, {
    sessionId: person.id,
    userId: person.userId,
    account: person.name,
    factor,
    codeHashes: hashesOf(codes),
    at: ports.clock.now(),
    who,
  })
  await setSessionData(directory, person.id, { pending: undefined, challenge: undefined })
  return { id, recoveryCodes: isFirst ? codes : undefined }
}

function hashesOf(codes: readonly string[]): readonly Buffer[] {
  return codes.flatMap((code) => recoveryCodeHash(code) ?? [])
}

interface RenewInput {
  readonly userId: number
  readonly account: string
  readonly codeHashes: readonly Buffer[]
  readonly at: number
  readonly who: Who
}

const renewTransaction = accessTransaction(
  import.meta.url,
  'second-factors/renew-codes',
  async (tx, { account, who, ...codes }: RenewInput) => {
    if (!(await hasSecondFactor(tx, codes.userId))) {
      throw new RegistryError('CONFLICT', undefined, { message: 'the account has no second factor that codes could stand in for' })
    }
    await replaceCodes(tx, codes)
    const detail = { kind: 'recovery' }
    await recordEvent(tx, { action: 'second-factor.added', target: `user:${account}`, detail, at: codes.at, ...who })
  },
)

/** Ten recovery codes; those of before are worth nothing from now on. */
export async function renewRecoveryCodes({ metadata, ports }: Directory, person: Person, who: Who): Promise<readonly string[]> {
  const codes = generateRecoveryCodes(ports.random)
  const { userId, name: account } = person
  await metadata.write(renewTransaction, { userId, account, codeHashes: hashesOf(codes), at: ports.clock.now(), who })
  return codes
}

interface RemoveInput {
  readonly userId: number
  readonly account: string
  /** Absent: all of them. */
  readonly id?: number | undefined
  readonly at: number
  readonly who: Who
}

const removeTransaction = accessTransaction(import.meta.url, 'second-factors/remove', async (tx, input: RemoveInput): Promise<void> => {
  const { userId, account, id, at, who } = input
  const target = `user:${account}`
  if (id === undefined) {
    const count = await deleteFactorsOfUser(tx, { userId })
    if (count > 0) await recordEvent(tx, { action: 'second-factor.removed', target, detail: { kind: 'all' }, at, ...who })
    return
  }
  const removed = await deleteFactor(tx, { id, userId })
  if (removed === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if (!(await hasSecondFactor(tx, userId))) await deleteFactorsOfUser(tx, { userId, kind: 'recovery' })
  await recordEvent(tx, { action: 'second-factor.removed', target, detail: removed, at, ...who })
})

/** Removes one factor of the account, or all; the recovery codes go with the last. Throws RESOURCE_UNKNOWN when it has no such factor. */
export async function removeFactors({ metadata, ports }: Directory, which: Omit<RemoveInput, 'at' | 'who'>, who: Who): Promise<void> {
  await metadata.write(removeTransaction, { ...which, at: ports.clock.now(), who })
}

function wrongCode(path: 'code' | 'response'): RegistryError {
  const message =
    path === 'code' ? 'the code is wrong or too old: check the clock of the device' : 'the authenticator did not answer this challenge'
  return new RegistryError('REQUEST_INVALID', [{ path: `body/${path}`, message }], { message })
}
