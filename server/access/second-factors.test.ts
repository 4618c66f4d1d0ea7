import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { test } from 'node:test'
import { Secret, TOTP } from 'otpauth'
import { findUserFacts } from '#metadata/account-facts.ts'
import {
  challengeAuthenticator,
  confirmTotp,
  confirmWebAuthn,
  listFactors,
  proveFactor,
  removeFactors,
  renewRecoveryCodes,
  startTotp,
  startWebAuthn,
  type Person,
} from './second-factors.ts'
import { createSession, findSession, requireOpenSession } from './sessions.ts'
import { insertVouched, makeTestDirectory, testWho, type TestDirectory } from './test-vouched.ts'
import { relyingParty } from './webauthn.ts'

const party = relyingParty('https://registry.example')

interface Place extends AsyncDisposable {
  readonly directory: TestDirectory
  readonly userId: number
  /** As it is now. */
  person(): Promise<Person>
  readonly value: string
}

async function place(): Promise<Place> {
  const directory = await makeTestDirectory()
  const userId = await directory.metadata.write(insertVouched, { name: 'alice', passwordHash: 'one' })
  const user = { id: userId, name: 'alice', passwordHash: 'one' }
  const { sessionId, value } = await createSession(directory, { state: 'active', user, isFresh: true }, testWho)
  return {
    directory,
    userId,
    value,
    person: async () => ({ ...(await requireOpenSession(directory, sessionId)), userId }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

function codeOf(secret: string, { directory }: Place, stepsAway = 0): string {
  return new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: directory.ports.clock.now() + stepsAway * 30_000 })
}

async function withTotp(at: Place): Promise<{ readonly secret: string; readonly codes: readonly string[]; readonly id: number }> {
  const { secret } = await startTotp(at.directory, await at.person(), 'registry.example')
  const { recoveryCodes, id } = await confirmTotp(at.directory, await at.person(), { code: codeOf(secret, at), name: 'phone' }, testWho)
  assert.ok(recoveryCodes !== undefined)
  return { secret, codes: recoveryCodes, id }
}

/** Whether the password alone still opens the account. */
const isBare = async ({ directory, userId }: Place) =>
  (await findUserFacts(directory.metadata.reader, { id: userId }))?.hasSecondFactor === false

const prove = async (at: Place, proof: Parameters<typeof proveFactor>[2]) =>
  await proveFactor(at.directory, await at.person(), proof, party)

test('an app is added by a code of it, with ten recovery codes, and the password alone is refused from then on', async () => {
  await using at = await place()
  assert.equal(await isBare(at), true)
  const { codes } = await withTotp(at)
  assert.equal(new Set(codes).size, 10)
  assert.equal(await isBare(at), false)
  const { factors, codesLeft } = await listFactors(at.directory, at.userId)
  assert.deepEqual([factors.map(({ kind, name }) => [kind, name]), codesLeft], [[['totp', 'phone']], 10])
})

test('the secret is in the database only sealed, and recovery codes only hashed', async () => {
  await using at = await place()
  const { secret, codes } = await withTotp(at)
  const { metadata } = at.directory
  const rows = [
    ...(await metadata.reader.selectFrom('second_factors').selectAll().execute()),
    ...(await metadata.reader.selectFrom('sessions').selectAll().execute()),
    ...(await metadata.reader.selectFrom('events').selectAll().execute()),
  ]
  const text = rows
    .map((row) =>
      Object.values(row)
        .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
        .join(),
    )
    .join()
  for (const canary of [secret, ...codes, ...codes.map((code) => code.replaceAll('-', ''))]) assert.ok(!text.includes(canary))
})

test('the address for the app names registry and account', async () => {
  await using at = await place()
  const { uri, secret } = await startTotp(at.directory, await at.person(), 'registry.example:5000')
  const url = new URL(uri)
  assert.equal(url.protocol, 'otpauth:')
  assert.equal(url.searchParams.get('secret'), secret)
  assert.equal(Buffer.from(Secret.fromBase32(secret).bytes).length, 20)
  assert.match(decodeURIComponent(url.pathname), /registry\.example 5000:alice$/)
})

test('a wrong code adds nothing, and neither does one for an enrolment that nobody began', async () => {
  await using at = await place()
  await assert.rejects(async () => await confirmTotp(at.directory, await at.person(), { code: '000000', name: 'x' }, testWho), {
    code: 'CONFLICT',
  })
  const { secret } = await startTotp(at.directory, await at.person(), 'registry')
  for (const code of ['', 'abcdef', codeOf(secret, at, 5), '1234567', '１２３４５６']) {
    await assert.rejects(
      async () => await confirmTotp(at.directory, await at.person(), { code, name: 'x' }, testWho),
      { code: 'REQUEST_INVALID' },
      code,
    )
  }
  assert.equal((await listFactors(at.directory, at.userId)).factors.length, 0)
})

test('a code counts once, one step early or late, and never again', async () => {
  await using at = await place()
  const { secret } = await withTotp(at)
  assert.equal(await prove(at, { kind: 'totp', code: codeOf(secret, at) }), false, 'the code of the enrolment was used')
  at.directory.advance(60_000)
  const code = codeOf(secret, at)
  const twice = await Promise.all([
    prove(at, { kind: 'totp', code }),
    prove(at, { kind: 'totp', code: ` ${code.slice(0, 3)} ${code.slice(3)}` }),
  ])
  assert.equal(twice.filter(Boolean).length, 1)
  assert.equal(await prove(at, { kind: 'totp', code: codeOf(secret, at, -1) }), false, 'a step before the one that was used')
  assert.equal(await prove(at, { kind: 'totp', code: codeOf(secret, at, 1) }), true)
  at.directory.advance(300_000)
  assert.equal(await prove(at, { kind: 'totp', code: codeOf(secret, at, -2) }), false)
  assert.equal(await prove(at, { kind: 'totp', code: codeOf(secret, at, 2) }), false)
})

test('a recovery code works once, however it is typed; new ones replace the old', async () => {
  await using at = await place()
  const { codes } = await withTotp(at)
  const [first = '', second = ''] = codes
  assert.equal(await prove(at, { kind: 'recovery', code: ` ${first.toUpperCase().replaceAll('-', ' ')}` }), true)
  assert.equal(await prove(at, { kind: 'recovery', code: first }), false)
  const fresh = await renewRecoveryCodes(at.directory, await at.person(), testWho)
  assert.equal(await prove(at, { kind: 'recovery', code: second }), false)
  assert.equal(await prove(at, { kind: 'recovery', code: fresh[0] ?? '' }), true)
  for (const code of ['', '----', 'x'.repeat(16), 'a'.repeat(100_000)]) assert.equal(await prove(at, { kind: 'recovery', code }), false)
})

test('the first factor ends the sessions that a password alone had opened, but the one at hand', async () => {
  await using at = await place()
  const user = { id: at.userId, name: 'alice', passwordHash: 'one' }
  const other = await createSession(at.directory, { state: 'active', user, isFresh: true }, testWho)
  await withTotp(at)
  assert.equal(await findSession(at.directory, other.value), undefined)
  assert.ok((await findSession(at.directory, at.value)) !== undefined)
})

test('with the last factor the recovery codes go, and another account’s factor cannot be removed', async () => {
  await using at = await place()
  const { id } = await withTotp(at)
  const stranger = await at.directory.metadata.write(insertVouched, { name: 'bob' })
  await assert.rejects(removeFactors(at.directory, { userId: stranger, account: 'bob', id }, testWho), { code: 'RESOURCE_UNKNOWN' })
  await removeFactors(at.directory, { userId: at.userId, account: 'alice', id }, testWho)
  assert.deepEqual(await listFactors(at.directory, at.userId), { factors: [], codesLeft: 0 })
  await assert.rejects(async () => await renewRecoveryCodes(at.directory, await at.person(), testWho), { code: 'CONFLICT' })
  assert.equal(await isBare(at), true)
})

test('an administrator removes all factors of an account at once', async () => {
  await using at = await place()
  await withTotp(at)
  await removeFactors(at.directory, { userId: at.userId, account: 'alice' }, testWho)
  assert.deepEqual(await listFactors(at.directory, at.userId), { factors: [], codesLeft: 0 })
})

/** A security key in software: ES256, answers as a browser would pass them on. */
function securityKey(origin = party.origin, rpId = party.id) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const credentialId = randomBytes(16)
  const { x = '', y = '' } = publicKey.export({ format: 'jwk' })
  const cose = Buffer.concat([
    Buffer.from('a5010203262001215820', 'hex'),
    Buffer.from(x, 'base64url'),
    Buffer.from('225820', 'hex'),
    Buffer.from(y, 'base64url'),
  ])
  let counter = 0
  const clientData = (type: string, challenge: string) => Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }))
  const authenticatorData = (flags: number, rest: Buffer = Buffer.alloc(0)) => {
    const count = Buffer.alloc(4)
    count.writeUInt32BE(counter)
    return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([flags]), count, rest])
  }
  const id = credentialId.toString('base64url')
  return {
    rewind: () => void (counter = 0),
    create(challenge: string) {
      const length = Buffer.from([0, credentialId.length])
      const data = authenticatorData(0x41, Buffer.concat([Buffer.alloc(16), length, credentialId, cose]))
      const head = Buffer.from([0x58, data.length])
      const attestation = Buffer.concat([Buffer.from('a363666d74646e6f6e656761747453746d74a0686175746844617461', 'hex'), head, data])
      const response = {
        clientDataJSON: clientData('webauthn.create', challenge).toString('base64url'),
        attestationObject: attestation.toString('base64url'),
      }
      return { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response }
    },
    get(challenge: string) {
      counter++
      const data = authenticatorData(0x01)
      const client = clientData('webauthn.get', challenge)
      const signature = sign('sha256', Buffer.concat([data, createHash('sha256').update(client).digest()]), privateKey)
      const response = {
        clientDataJSON: client.toString('base64url'),
        authenticatorData: data.toString('base64url'),
        signature: signature.toString('base64url'),
      }
      return { id, rawId: id, type: 'public-key', clientExtensionResults: {}, response }
    },
  }
}

async function withKey(at: Place) {
  const key = securityKey()
  const { challenge } = await startWebAuthn(at.directory, await at.person(), party)
  await confirmWebAuthn(at.directory, await at.person(), { response: key.create(challenge), name: 'key', party }, testWho)
  return key
}

const challengeOf = async (at: Place) => (await challengeAuthenticator(at.directory, await at.person(), party))?.challenge ?? ''

test('a security key is added, and proves its person by signing a challenge', async () => {
  await using at = await place()
  const key = await withKey(at)
  assert.equal(await prove(at, { kind: 'webauthn', response: key.get(await challengeOf(at)) }), true)
  assert.equal(await isBare(at), false)
})

test('an answer to a challenge counts once, and to none but the last one, within five minutes', async () => {
  await using at = await place()
  const key = await withKey(at)
  const answer = key.get(await challengeOf(at))
  assert.equal(await prove(at, { kind: 'webauthn', response: answer }), true)
  assert.equal(await prove(at, { kind: 'webauthn', response: answer }), false)
  const old = await challengeOf(at)
  await challengeOf(at)
  assert.equal(await prove(at, { kind: 'webauthn', response: key.get(old) }), false)
  const late = await challengeOf(at)
  at.directory.advance(5 * 60_000)
  assert.equal(await prove(at, { kind: 'webauthn', response: key.get(late) }), false)
})

test('a copied key, another key, another site and what is no answer are refused', async () => {
  await using at = await place()
  const key = await withKey(at)
  assert.equal(await prove(at, { kind: 'webauthn', response: key.get(await challengeOf(at)) }), true)
  key.rewind()
  assert.equal(await prove(at, { kind: 'webauthn', response: key.get(await challengeOf(at)) }), false, 'the counter went back')
  assert.equal(await prove(at, { kind: 'webauthn', response: securityKey().get(await challengeOf(at)) }), false)
  for (const response of [null, undefined, 1, '', {}, { id: 1 }, { id: 'x', response: {} }]) {
    await challengeOf(at)
    assert.equal(await prove(at, { kind: 'webauthn', response }), false)
  }
  const phished = securityKey('https://registry.evil.example')
  const { challenge } = await startWebAuthn(at.directory, await at.person(), party)
  const adding = async () =>
    await confirmWebAuthn(at.directory, await at.person(), { response: phished.create(challenge), name: 'x', party }, testWho)
  await assert.rejects(adding, { code: 'REQUEST_INVALID' })
})

test('an answer to a challenge for proving adds no key, and the other way round', async () => {
  await using at = await place()
  const key = await withKey(at)
  const proving = await challengeOf(at)
  const adding = async () =>
    await confirmWebAuthn(at.directory, await at.person(), { response: securityKey().create(proving), name: 'x', party }, testWho)
  await assert.rejects(adding, { code: 'REQUEST_INVALID' })
  const { challenge } = await startWebAuthn(at.directory, await at.person(), party)
  assert.equal(await prove(at, { kind: 'webauthn', response: key.get(challenge) }), false)
})
