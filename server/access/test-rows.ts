/** Rows for tests, written as changes of access are; in a module of its own, for the writer thread loads it. */
import { accessTransaction } from '#metadata/access-epoch.ts'
import type { Metadata } from '#metadata/metadata.ts'
import type { Database } from '#metadata/schema.ts'
import { transaction } from '#metadata/transaction.ts'

type Values = Readonly<Record<string, unknown>>

interface Insertion {
  readonly table: keyof Database
  readonly values: Values
}

interface Change {
  readonly table: keyof Database
  readonly id: number
  readonly set: Values
}

const insert = accessTransaction(import.meta.url, 'test-rows/insert', async (tx, { table, values }: Insertion): Promise<number> => {
  const { id } = await tx
    .insertInto(table)
    .values(values as never)
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
})

const change = accessTransaction(import.meta.url, 'test-rows/change', async (tx, { table, id, set }: Change): Promise<void> => {
  await tx
    .updateTable(table as 'users')
    .set(set)
    .where('id', '=', id)
    .execute()
})

const changeUnseen = transaction(import.meta.url, 'test-rows/change-unseen', async (tx, { table, id, set }: Change): Promise<void> => {
  await tx
    .updateTable(table as 'users')
    .set(set)
    .where('id', '=', id)
    .execute()
})

/** Columns that a test does not care about are filled. */
export class TestRows {
  readonly #metadata: Metadata

  constructor(metadata: Metadata) {
    this.#metadata = metadata
  }

  async user(name: string, more: Values = {}): Promise<number> {
    return await this.insert('users', { name, password_hash: '', is_admin: 0, created_at: 1, updated_at: 1, ...more })
  }

  async project(name: string, more: Values = {}): Promise<number> {
    return await this.insert('projects', { name, is_default: 0, created_at: 1, ...more })
  }

  async repository(name: string, projectId: number): Promise<number> {
    return await this.insert('repositories', { name, project_id: projectId, created_at: 1 })
  }

  async group(name: string, ...userIds: readonly number[]): Promise<number> {
    const id = await this.insert('groups', { name, description: '', version: 1, created_at: 1, updated_at: 1 })
    for (const userId of userIds) await this.insert('group_members', { group_id: id, user_id: userId, created_at: 1 })
    return id
  }

  async robot(name: string, more: Values = {}): Promise<number> {
    const filled = { description: '', is_disabled: 0, allowed_addresses: '[]', created_by: '', version: 1, created_at: 1, updated_at: 1 }
    return await this.insert('robots', { name, ...filled, ...more })
  }

  async role(name: string, ...permissions: readonly string[]): Promise<number> {
    const filled = { title: '', description: '', version: 1, created_at: 1, updated_at: 1 }
    return await this.insert('roles', { name, permissions: JSON.stringify(permissions), ...filled })
  }

  /** `to` as `user:1`, `group:1`, `robot:1`, `everyone`, `signed-in`. */
  async grant(role: string, to: string, more: Values = {}): Promise<number> {
    const [kind = '', id] = to.split(':')
    const holder = id === undefined ? {} : { [`${kind}_id`]: Number(id) }
    return await this.insert('grants', { role, subject_kind: kind, ...holder, created_by: '', created_at: 1, version: 1, ...more })
  }

  async redirect(kind: 'project' | 'repository', oldName: string, name: string): Promise<number> {
    return await this.insert('name_redirects', { kind, old_name: oldName, name, created_at: 1 })
  }

  async insert(table: keyof Database, values: Values): Promise<number> {
    return await this.#metadata.write(insert, { table, values })
  }

  async change(table: keyof Database, id: number, set: Values): Promise<void> {
    await this.#metadata.write(change, { table, id, set })
  }

  /** As something that is no change of access. */
  async changeUnseen(table: keyof Database, id: number, set: Values): Promise<void> {
    await this.#metadata.write(changeUnseen, { table, id, set })
  }
}
