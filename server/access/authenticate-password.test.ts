import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import type { ExternalIdentity, PasswordProvider } from './password-provider.ts'
import { hashPassword } from './password.ts'
import { from, openTestAccess, type TestAccess } from './test-access.ts'
import { basic } from './test-parts.ts'

const refused = { code: 'UNAUTHORIZED' }

/** A directory of people by name and password; names in any case. */
class TestProvider implements PasswordProvider {
  readonly id: number
  readonly name: string
  readonly people: Readonly<Record<string, string>>
  asked = 0
  isAway = false

  constructor(id: number, people: Readonly<Record<string, string>>) {
    this.id = id
    this.name = `provider-${id}`
    this.people = people
  }

  verify(name: string, password: string): Promise<ExternalIdentity | undefined> {
    this.asked++
    if (this.isAway) return Promise.reject(new RegistryError('UNAVAILABLE'))
    const found = name.toLowerCase()
    return Promise.resolve(this.people[found] === password ? this.#identity(found) : undefined)
  }

  refresh(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  #identity(name: string): ExternalIdentity {
    const rest = { displayName: '', email: '', groups: [], isAdministrator: undefined, attributes: {} }
    return { issuer: this.name, subject: `subject-of-${name}`, name, ...rest }
  }
}

interface WithProviders extends TestAccess {
  readonly providers: TestProvider[]
  readonly onboarded: string[]
}

async function open(...people: readonly Readonly<Record<string, string>>[]): Promise<WithProviders> {
  const providers = people.map((some, index) => new TestProvider(index + 1, some))
  const onboarded: string[] = []
  const accounts = new Map<string, number>()
  const opened: TestAccess = await openTestAccess({
    hooks: {
      passwordProviders: () => Promise.resolve(providers),
      async onboard(providerId, identity) {
        onboarded.push(`${providerId}:${identity.name}`)
        const known = accounts.get(`${providerId} ${identity.subject}`)
        if (known !== undefined) return { userId: known }
        const userId = await opened.rows.user(identity.name)
        await link(opened, userId, identity, providerId)
        accounts.set(`${providerId} ${identity.subject}`, userId)
        return { userId }
      },
    },
  })
  for (const { id, name } of providers) {
    const row = {
      id,
      name,
      kind: 'ldap',
      title: name,
      is_enabled: 1,
      position: id,
      settings: '{}',
      version: 1,
      created_at: 1,
      updated_at: 1,
    }
    // The id of the local provider's row, if there is one, is not in the way: these are given.
    await opened.rows.insert('providers', row).catch(() => opened.rows.change('providers', id, row))
  }
  return { ...opened, providers, onboarded, [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose]() }
}

async function link(
  { rows }: TestAccess,
  userId: number,
  { issuer, subject }: Pick<ExternalIdentity, 'issuer' | 'subject'>,
  providerId: number,
): Promise<void> {
  const row = { user_id: userId, provider_id: providerId, issuer, subject, attributes: '{}', refreshed_at: 1, created_at: 1 }
  await rows.insert('identities', row)
}

suite('providers that check passwords', () => {
  test('are asked in order for a name that nobody here has, and the account is theirs from then on', async () => {
    await using opened = await open({ alice: 'one' }, { alice: 'two', bob: 'three' })
    const { access, onboarded, providers } = opened
    const alice = await access.authenticate(from(basic('alice', 'one')))
    assert.deepEqual([alice.name, alice.kind, onboarded], ['alice', 'user', ['1:alice']])
    assert.equal((await access.authenticate(from(basic('bob', 'three')))).name, 'bob')
    await assert.rejects(access.authenticate(from(basic('alice', 'two'))), refused)
    assert.deepEqual(onboarded, ['1:alice', '2:bob'])
    const asked = providers.map((provider) => provider.asked)
    for (let times = 0; times < 5; times++) await access.authenticate(from(basic('alice', 'one')))
    assert.deepEqual(
      providers.map((provider) => provider.asked),
      asked,
      'a right password is remembered',
    )
  })

  test('are asked again after a minute', async () => {
    await using opened = await open({ alice: 'one' })
    await opened.access.authenticate(from(basic('alice', 'one')))
    opened.parts.advance(60_001)
    await opened.access.authenticate(from(basic('alice', 'one')))
    assert.equal(opened.providers[0]?.asked, 2)
  })

  test('may know a name in another spelling: it is one account, and remembered', async () => {
    await using opened = await open({ alice: 'one' })
    const { access, providers } = opened
    const first = await access.authenticate(from(basic('Alice', 'one')))
    const second = await access.authenticate(from(basic('ALICE', 'one')))
    const third = await access.authenticate(from(basic('alice', 'one')))
    assert.deepEqual([first.name, second.id, third.id], ['alice', first.id, first.id])
    const asked = providers[0]?.asked
    await access.authenticate(from(basic('Alice', 'one')))
    assert.equal(providers[0]?.asked, asked)
    await assert.rejects(access.authenticate(from(basic('Alice', 'wrong'))), refused)
  })

  test('never open an account of that name that is not linked with them', async () => {
    await using opened = await open({ alice: 'one', bob: 'one' }, { alice: 'one' })
    const { access, rows, onboarded, parts } = opened
    await rows.user('alice')
    await assert.rejects(access.authenticate(from(basic('alice', 'one'))), refused)
    const bob = await rows.user('bob', { password_hash: await hashPassword('local', parts.ports.random) })
    await link(opened, bob, { issuer: 'provider-1', subject: 'subject-of-bob' }, 1)
    await assert.rejects(access.authenticate(from(basic('bob', 'one'))), refused, 'a local password goes first')
    assert.equal((await access.authenticate(from(basic('bob', 'local')))).id, bob)
    assert.deepEqual(onboarded, [])
  })

  test('never open an account that is linked with another subject of theirs', async () => {
    await using opened = await open({ alice: 'one' })
    const alice = await opened.rows.user('alice')
    await link(opened, alice, { issuer: 'provider-1', subject: 'somebody-else' }, 1)
    await assert.rejects(opened.access.authenticate(from(basic('alice', 'one'))), refused)
  })

  test('that are away make the answer UNAVAILABLE unless another one knows, and count as no wrong password', async () => {
    await using opened = await open({ alice: 'one' }, { bob: 'two' })
    const { access, providers } = opened
    const [first] = providers
    assert.ok(first)
    first.isAway = true
    assert.equal((await access.authenticate(from(basic('bob', 'two')))).name, 'bob')
    for (let tries = 0; tries < 20; tries++) await assert.rejects(access.authenticate(from(basic('alice', 'one'))), { code: 'UNAVAILABLE' })
    first.isAway = false
    assert.equal((await access.authenticate(from(basic('alice', 'one')))).name, 'alice')
  })

  test('are asked about no robot, no token and no JWT', async () => {
    await using opened = await open({ 'robot-ci': 'one', alice: 'berth_pat_x' })
    for (const [name, password] of [
      ['robot-ci', 'one'],
      ['Robot-ci', 'one'],
      ['robot$ci', 'one'],
      ['alice', 'berth_pat_x'],
      ['alice', 'berth_ref_x'],
      ['alice', 'eyJhIjoxfQ.eyJhIjoxfQ.xyz'],
    ] as const)
      await assert.rejects(opened.access.authenticate(from(basic(name, password))), refused)
    assert.equal(opened.providers[0]?.asked, 0)
  })
})

test('a wrong password takes as long for a name that is not there', async () => {
  await using opened = await openTestAccess()
  const { access, rows, parts } = opened
  const passwordHash = await hashPassword('secret', parts.ports.random)
  const took = { known: Infinity, unknown: Infinity, linked: Infinity }
  // In turns, so that a load beside meets all alike; the shortest is what the work takes. Each name once: no back-off, and nothing remembered.
  for (let round = 0; round < 8; round++) {
    await rows.user(`known${round}`, { password_hash: passwordHash })
    await rows.user(`linked${round}`)
    for (const kind of ['known', 'unknown', 'linked'] as const) {
      const started = performance.now()
      await assert.rejects(access.authenticate(from(basic(`${kind}${round}`, 'wrong'), { address: `198.51.100.${round}` })), refused)
      took[kind] = Math.min(took[kind], performance.now() - started)
    }
  }
  for (const other of [took.unknown, took.linked]) assert.ok(other > took.known / 2 && other < took.known * 2, JSON.stringify(took))
})
