/**
 * The table `name_redirects`: former names of projects and repositories.
 *
 * A project's redirect stands for everything below its former name; the longest prefix wins, be it a redirect or a project that is there. A
 * repository's redirect stands for that one name. Targets are kept current, so that a name leads on in two steps at most
 * however often it changed. No repository's row ever lies at a name that leads elsewhere: whoever gives a row such a name takes the redirect away
 * (projects/name-claim.ts says who may). And should one lie there, it comes first.
 */
import { sql, type RawBuilder, type SqlBool } from 'kysely'
import type { RepositoryName } from '#oci/reference.ts'
import type { Reader, Transactor } from './metadata.ts'
import { belowPrefix, prefixesOf } from './name-prefixes.ts'
import { projectsNamed } from './projects.ts'

export type RedirectKind = 'project' | 'repository'

/** More steps than current targets can need; what goes on longer is a circle, and stays where it is. */
const stepsMax = 8

/** The name under which the project is found now; the same name where nothing leads on, whether there is such a project or not. */
export async function resolveProjectName(reader: Reader | Transactor, name: string): Promise<string> {
  let current = name
  for (let step = 0; step < stepsMax; step++) {
    const next = await throughProjects(reader, current, [current, ...prefixesOf(current)])
    if (next === undefined) return current
    current = next
  }
  return name
}

/**
 * The name under which the repository is found now, or would be made by a push: a moved repository's new name, else the new prefix of a renamed
 * project; the same name where nothing leads on.
 */
export async function resolveRepositoryName(reader: Reader | Transactor, name: RepositoryName): Promise<RepositoryName> {
  let current: string = name
  for (let step = 0; step < stepsMax; step++) {
    const { id, moved } = await standingAt(reader, current)
    const next = id === null ? (moved ?? (await throughProjects(reader, current, prefixesOf(current)))) : undefined
    // Made of a valid name and a prefix that was checked for length when it was written.
    if (next === undefined) return current as RepositoryName
    current = next
  }
  return name
}

/** What is at that very name: a repository, and where a former one of the name went. */
async function standingAt(
  reader: Reader | Transactor,
  name: string,
): Promise<{ readonly id: number | null; readonly moved: string | null }> {
  const { rows } = await sql<{ id: number | null; moved: string | null }>`
    select (select id from repositories where name = ${name}) as id,
      (select name from name_redirects where kind = 'repository' and old_name = ${name}) as moved`.execute(reader)
  return rows[0] ?? { id: null, moved: null }
}

/** The same by redirects of projects alone: where a repository of that name would lie, whatever was moved away from there. */
export async function resolveRepositoryPlace(reader: Reader | Transactor, name: RepositoryName): Promise<RepositoryName> {
  let current: string = name
  for (let step = 0; step < stepsMax; step++) {
    const next = await throughProjects(reader, current, prefixesOf(current))
    if (next === undefined) return current as RepositoryName
    current = next
  }
  return name
}

/** One step along the longest prefix; undefined where a project that is there comes first. `prefixes`: longest first. */
async function throughProjects(reader: Reader | Transactor, name: string, prefixes: readonly string[]): Promise<string | undefined> {
  if (prefixes.length === 0) return undefined
  const rows = await reader
    .selectFrom('name_redirects')
    .select(['old_name', 'name'])
    .where('kind', '=', 'project')
    .where('old_name', 'in', prefixes)
    .execute()
  if (rows.length === 0) return undefined
  const projects = new Set((await projectsNamed(reader, prefixes)).map((project) => project.name))
  for (const prefix of prefixes) {
    if (projects.has(prefix)) return undefined
    const redirect = rows.find((row) => row.old_name === prefix)
    if (redirect !== undefined) return redirect.name + name.slice(prefix.length)
  }
  return undefined
}

/** Former names that lead to exactly this one, oldest first. */
export async function formerNames(reader: Reader | Transactor, kind: RedirectKind, name: string, limit: number): Promise<string[]> {
  const rows = await reader
    .selectFrom('name_redirects')
    .select('old_name')
    .where('kind', '=', kind)
    .where('name', '=', name)
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map((row) => row.old_name)
}

/** A former name, where it leads, and since when: milliseconds. */
export interface NameRedirect {
  readonly kind: RedirectKind
  readonly oldName: string
  readonly name: string
  readonly createdAt: number
}

/** What a project of that name would lie on or above: its own former use as a project's name, and all former names below it; in their order. */
export async function redirectsUnder(reader: Reader | Transactor, project: string, limit: number): Promise<readonly NameRedirect[]> {
  return await reader
    .selectFrom('name_redirects')
    .select(['kind', 'old_name as oldName', 'name', 'created_at as createdAt'])
    .where(isUnder(project))
    .orderBy('old_name')
    .orderBy('kind')
    .limit(limit)
    .execute()
}

function isUnder(project: string): RawBuilder<SqlBool> {
  return sql<SqlBool>`((kind = 'project' and old_name = ${project}) or ${belowPrefix('old_name', project)})`
}

/** Ends those of {@link redirectsUnder} that were set at that time or later. */
export async function deleteRedirectsUnder(tx: Transactor, project: string, since: number): Promise<void> {
  await tx.deleteFrom('name_redirects').where(isUnder(project)).where('created_at', '>=', since).execute()
}

/** The old name leads to the new one from now on, wherever it led before. */
export async function putRedirect(
  tx: Transactor,
  redirect: { readonly kind: RedirectKind; readonly oldName: string; readonly name: string; readonly now: number },
): Promise<void> {
  const { kind, oldName, name, now } = redirect
  await tx
    .insertInto('name_redirects')
    .values({ kind, old_name: oldName, name, created_at: now })
    .onConflict((conflict) => conflict.columns(['kind', 'old_name']).doUpdateSet({ name, created_at: now }))
    .execute()
}

/** The name is itself again. False when it led nowhere. */
export async function deleteRedirect(tx: Transactor, kind: RedirectKind, oldName: string): Promise<boolean> {
  const result = await tx.deleteFrom('name_redirects').where('kind', '=', kind).where('old_name', '=', oldName).executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** Ends what leads to exactly this name. */
export async function deleteRedirectsTo(tx: Transactor, kind: RedirectKind, name: string): Promise<void> {
  await tx.deleteFrom('name_redirects').where('kind', '=', kind).where('name', '=', name).execute()
}

/** Ends what leads to a project that goes, or to anything below it. */
export async function deleteRedirectsInto(tx: Transactor, project: string): Promise<void> {
  await tx.deleteFrom('name_redirects').where('kind', '=', 'project').where('name', '=', project).execute()
  for (const kind of ['project', 'repository'] as const) {
    await tx.deleteFrom('name_redirects').where('kind', '=', kind).where(belowPrefix('name', project)).execute()
  }
}

/** A change of one name. */
export interface NameChange {
  readonly from: string
  readonly to: string
}

/** What led to exactly the one name leads to the other. */
export async function retargetRedirects(tx: Transactor, kind: RedirectKind, { from, to }: NameChange): Promise<void> {
  await tx.updateTable('name_redirects').set({ name: to }).where('kind', '=', kind).where('name', '=', from).execute()
  await deleteCircles(tx)
}

/** What led to something below the one prefix, project or repository, leads below the other. */
export async function retargetRedirectsBelow(tx: Transactor, { from, to }: NameChange): Promise<void> {
  for (const kind of ['project', 'repository'] as const) {
    await tx
      .updateTable('name_redirects')
      .set({ name: sql<string>`${to} || substr(name, ${sql.lit(from.length + 1)})` })
      .where('kind', '=', kind)
      .where(belowPrefix('name', from))
      .execute()
  }
  await deleteCircles(tx)
}

/** What would lead to itself leads nowhere. */
async function deleteCircles(tx: Transactor): Promise<void> {
  await tx.deleteFrom('name_redirects').whereRef('old_name', '=', 'name').execute()
}
