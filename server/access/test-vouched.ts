/** What tests of accounts and sessions share: a directory on a database in memory, and rows made past the verbs. */
import { insertVouchedUser } from '#metadata/identities.ts'
import type { Metadata } from '#metadata/metadata.ts'
import { openTestDatabase } from '#metadata/test-database.ts'
import { transaction } from '#metadata/transaction.ts'
import type { ProvidersTable } from '#metadata/schema-access.ts'
import type { Directory } from './directory.ts'
import { createSecretBox } from './secret-box.ts'
import { makeParts, type TestParts } from './test-parts.ts'

export interface TestDirectory extends Directory, AsyncDisposable {
  readonly metadata: Metadata
  readonly lines: TestParts['lines']
  advance(ms: number): void
}

export const testWho = { actor: '', requestId: 'test' }

/** On a database in memory, with a clock that moves by hand. */
export async function makeTestDirectory(): Promise<TestDirectory> {
  const parts = makeParts()
  const { ports, log, lines } = parts
  const metadata = await openTestDatabase(':memory:', { ports, log })
  const secrets = createSecretBox([Buffer.alloc(32, 1)], ports.random)
  const advance = (ms: number) => parts.advance(ms)
  return { metadata, ports, log, secrets, lines, advance, [Symbol.asyncDispose]: () => metadata[Symbol.asyncDispose]() }
}

interface ProviderInput {
  readonly name: string
  readonly kind: ProvidersTable['kind']
  readonly settings: string
  readonly position: number
}

const insertProvider = transaction(import.meta.url, 'test-vouched/insert-provider', async (tx, input: ProviderInput) => {
  const values = { ...input, title: input.name, is_enabled: 1, secrets: null, version: 1, created_at: 0, updated_at: 0 }
  return (await tx.insertInto('providers').values(values).returning('id').executeTakeFirstOrThrow()).id
})

/** A provider's row; its id. */
export async function addTestProvider(
  { metadata }: Directory,
  name: string,
  kind: ProvidersTable['kind'],
  settings: unknown = {},
): Promise<number> {
  return await metadata.write(insertProvider, { name, kind, settings: JSON.stringify(settings), position: 1 })
}

/** An account without a password. */
export const insertVouched = transaction(
  import.meta.url,
  'test-vouched/insert-user',
  async (tx, input: { readonly name: string; readonly isAdmin?: boolean; readonly passwordHash?: string }) => {
    const { name, isAdmin = false, passwordHash } = input
    const id = await insertVouchedUser(tx, { name, displayName: '', email: '', isAdmin, at: 0 })
    if (id === 'exists') throw new Error('the name is taken')
    if (passwordHash !== undefined) await tx.updateTable('users').set({ password_hash: passwordHash }).where('id', '=', id).execute()
    return id
  },
)

export const insertGroup = transaction(import.meta.url, 'test-vouched/insert-group', async (tx, name: string) => {
  const values = { name, provider_id: null, external_name: null, description: '', version: 1, created_at: 0, updated_at: 0 }
  await tx.insertInto('groups').values(values).execute()
})

export const addByHand = transaction(
  import.meta.url,
  'test-vouched/add-by-hand',
  async (tx, member: { readonly group: string; readonly userId: number }) => {
    const { id } = await tx.selectFrom('groups').select('id').where('name', '=', member.group).executeTakeFirstOrThrow()
    await tx.insertInto('group_members').values({ group_id: id, user_id: member.userId, provider_id: null, created_at: 0 }).execute()
  },
)

export const setAdministrator = transaction(import.meta.url, 'test-vouched/set-administrator', async (tx, id: number) => {
  await tx.updateTable('users').set({ is_admin: 1 }).where('id', '=', id).execute()
})

export const disable = transaction(import.meta.url, 'test-vouched/disable', async (tx, id: number) => {
  await tx.updateTable('users').set({ is_disabled: 1 }).where('id', '=', id).execute()
})

export const changePasswordHash = transaction(
  import.meta.url,
  'test-vouched/change-password-hash',
  async (tx, change: { readonly id: number; readonly hash: string }) => {
    await tx.updateTable('users').set({ password_hash: change.hash }).where('id', '=', change.id).execute()
  },
)
