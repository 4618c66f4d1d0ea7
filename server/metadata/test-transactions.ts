/** Transactions of the tests, in a module of their own: the writer thread loads it, and a test file there would run its tests again. */
import { sql } from 'kysely'
import { RegistryError } from '#oci/errors.ts'
import type { Transactor } from './metadata.ts'
import { insertProject } from './projects.ts'
import { deleteSetting, insertSetting, putSetting } from './settings.ts'
import { isHasty, later } from './together.ts'
import { transaction } from './transaction.ts'
import { insertFirstAdministrator, insertUser, setPasswordHash } from './users.ts'
import { afterWait } from './write-wait.ts'

interface Setting {
  readonly name: string
  readonly value?: string
}

async function insert(tx: Transactor, { name, value = '{}' }: Setting): Promise<number> {
  const { id } = await tx.insertInto('settings').values({ name, value }).returning('id').executeTakeFirstOrThrow()
  return id
}

/** Adds a row; a name that is there already violates a constraint. */
export const addSetting = transaction(import.meta.url, 'test/add-setting', insert)

/** A time that was reckoned before the write, as the transaction would keep it. */
export const keepTime = transaction(import.meta.url, 'test/keep-time', async (tx, time: number) => {
  await sql`select 1`.execute(tx)
  return afterWait(tx, time)
})

/** Adds a row, then refuses. */
export const refuse = transaction(import.meta.url, 'test/refuse', async (tx, setting: Setting) => {
  await insert(tx, setting)
  throw new RegistryError('MANIFEST_INVALID', { reason: 'test' }, { message: 'refused by the test', retryAfterSeconds: 7 })
})

/** Adds a row, then fails as a fault of ours does. */
export const fail = transaction(import.meta.url, 'test/fail', async (tx, setting: Setting) => {
  await insert(tx, setting)
  throw new TypeError('fault of the test')
})

/** Gives back something that cannot travel. */
export const answerFunction = transaction(import.meta.url, 'test/answer-function', async (tx, setting: Setting) => {
  await insert(tx, setting)
  return () => undefined
})

/** Shows what arrives and what comes back: a Buffer must stay one. */
export const echoBytes = transaction(import.meta.url, 'test/echo-bytes', async (_tx, input: { readonly bytes: Buffer }) => {
  await Promise.resolve()
  return { bytes: input.bytes, isBuffer: Buffer.isBuffer(input.bytes) }
})

/** Ends the writer thread in the middle of a transaction. */
export const crash = transaction(import.meta.url, 'test/crash', async (tx, setting: Setting) => {
  await insert(tx, setting)
  process.exit(3)
})

/** Lets the file grow by this many pages and no more: a full disk that every user can make. */
export const limitPages = transaction(import.meta.url, 'test/limit-pages', async (tx, { more }: { readonly more: number }) => {
  const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(tx)
  await sql`pragma max_page_count = ${sql.lit((rows[0]?.page_count ?? 0) + more)}`.execute(tx)
})

/** Swallows every error of one statement and goes on with the next: what a careless transaction might do on a full disk. */
export const ignoreErrors = transaction(import.meta.url, 'test/ignore-errors', async (tx, settings: readonly Setting[]) => {
  for (const setting of settings) await insert(tx, setting).catch(() => undefined)
})

/** Loses the transaction of the whole group, as SQLite does by itself after an I/O error, and swallows what that makes of its next statement. */
export const loseGroup = transaction(import.meta.url, 'test/lose-group', async (tx, setting: Setting) => {
  await sql`rollback`.execute(tx)
  await insert(tx, setting).catch(() => undefined)
})

/** Refers to a repository that is not there. */
export const addDanglingTag = transaction(import.meta.url, 'test/add-dangling-tag', async (tx) => {
  await tx.insertInto('tags').values({ repository_id: 1, name: 'latest', manifest_id: 1, created_at: 0, updated_at: 0 }).execute()
})

/** Reads a number and writes the next one: what is lost when two do so at once. `pauseSeconds`: between the two, on PostgreSQL. */
export const countUp = transaction(
  import.meta.url,
  'test/count-up',
  async (tx, { name, pauseSeconds = 0 }: { readonly name: string; readonly pauseSeconds?: number }) => {
    const { value } = await tx.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirstOrThrow()
    if (pauseSeconds > 0) await sql`select pg_sleep(${sql.lit(pauseSeconds)})`.execute(tx)
    await tx
      .updateTable('settings')
      .set({ value: String(Number(value) + 1) })
      .where('name', '=', name)
      .execute()
  },
)

/** Any one statement: for what no transaction of the program does. */
export const runSql = transaction(import.meta.url, 'test/run-sql', async (tx, text: string) => {
  await sql.raw(text).execute(tx)
})

/** Adds a project. */
export const addProject = transaction(import.meta.url, 'test/add-project', (tx, name: string) => insertProject(tx, { name, at: 0 }))

/** Adds repositories. */
export const addRepositories = transaction(
  import.meta.url,
  'test/add-repositories',
  async (tx, repositories: readonly { readonly name: string; readonly projectId: number }[]) => {
    const rows = repositories.map(({ name, projectId }) => ({ name, project_id: projectId, created_at: 0 }))
    await tx.insertInto('repositories').values(rows).execute()
  },
)

/** The queries of users.ts and settings.ts that write. */
export const addFirstAdministrator = transaction(import.meta.url, 'test/add-first-administrator', (tx, name: string) =>
  insertFirstAdministrator(tx, { name, passwordHash: '$argon2id$test', at: 1 }),
)
export const addUser = transaction(import.meta.url, 'test/add-user', (tx, name: string) =>
  insertUser(tx, { name, passwordHash: '$argon2id$test', isAdmin: false, at: 1 }),
)
export const changePassword = transaction(
  import.meta.url,
  'test/change-password',
  (tx, change: { readonly name: string; readonly passwordHash: string }) => setPasswordHash(tx, { ...change, at: 2 }),
)
export const changeSetting = transaction(
  import.meta.url,
  'test/change-setting',
  async (tx, change: { readonly name: string; readonly value?: unknown }) => {
    if ('value' in change) await putSetting(tx, change.name, change.value)
    else await deleteSetting(tx, change.name)
  },
)
export const claimSetting = transaction(import.meta.url, 'test/claim-setting', (tx, value: unknown) => insertSetting(tx, 'claimed', value))

/** Sends a statement that fails and waits for none of its statements but the last, which follows from that. */
export const failLater = transaction(import.meta.url, 'test/fail-later', async (tx, setting: Setting) => {
  await later(tx, insert(tx, setting))
  await later(tx, insert(tx, setting))
  await tx.selectFrom('settings').select('id').execute()
})

/** Adds a row, unless there are as many as may be: by a statement that fails where it is hasty. Gives whether it was. */
export const addBelow = transaction(
  import.meta.url,
  'test/add-below',
  async (tx, { name, limit }: Setting & { readonly limit: number }): Promise<boolean> => {
    await insert(tx, { name })
    const over = tx.selectFrom('settings').select((eb) => eb.fn.countAll<number>().as('count'))
    if (isHasty(tx))
      await later(tx, sql`select cast(concat('over ', count) as bigint) from (${over}) as counted where count > ${limit}`.execute(tx))
    else if (Number((await over.executeTakeFirstOrThrow()).count) > limit) throw new RegistryError('DENIED', { limit })
    return isHasty(tx)
  },
  'read committed',
)

async function stay(tx: Transactor, { name, seconds }: { readonly name: string; readonly seconds: number }): Promise<void> {
  await insert(tx, {
    name,
    value: String((await sql<{ at: number }>`select extract(epoch from clock_timestamp()) as at`.execute(tx)).rows[0]?.at),
  })
  await sql`select pg_sleep(${seconds})`.execute(tx)
  await insert(tx, {
    name: `${name} left`,
    value: String((await sql<{ at: number }>`select extract(epoch from clock_timestamp()) as at`.execute(tx)).rows[0]?.at),
  })
}

/** Are at work for so long on PostgreSQL, and write down from when to when: one of a push, one that is none. */
export const stayAsPush = transaction(import.meta.url, 'test/stay-as-push', stay, 'read committed')
export const stayAlone = transaction(import.meta.url, 'test/stay-alone', stay)
