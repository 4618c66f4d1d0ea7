/** Which immutable tag rules a repository is about to leave, or has left, by getting another name: they hold by names, and do not follow it. */
import { isHiddenName, trashedNameOf } from '#metadata/hidden-repositories.ts'
import { immutableRulesOver, type ImmutableRule } from '#metadata/immutable-rules.ts'
import type { Reader } from '#metadata/metadata.ts'
import { belowPrefix } from '#metadata/name-prefixes.ts'
import { matchesGlob, parseGlob } from '#metadata/repository-glob.ts'
import type { TrashRecord } from '#metadata/trash.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** The rules about each repository, by its id. */
export type Coverage = ReadonlyMap<number, readonly ImmutableRule[]>

/** Repositories that are looked at: a sentence about the first of them says enough. */
const repositoriesMax = 200

/** Of one repository, or of the first of those below a project's name. Those that no rule is about are left out. */
export async function coverageOf(reader: Reader, of: { readonly repository: string } | { readonly below: string }): Promise<Coverage> {
  const query = reader.selectFrom('repositories').select(['id', 'name'])
  const wanted = 'repository' in of ? query.where('name', '=', of.repository) : query.where(belowPrefix('name', of.below))
  return await coverageBy(reader, await wanted.orderBy('name').limit(repositoriesMax).execute())
}

async function coverageBy(reader: Reader, rows: readonly { readonly id: number; readonly name: string }[]): Promise<Coverage> {
  const coverage = new Map<number, readonly ImmutableRule[]>()
  for (const row of rows) {
    const name = row.name as RepositoryName
    const rules = (await immutableRulesOver(reader, { name })).filter((rule) => isAbout(rule, name))
    if (rules.length > 0) coverage.set(row.id, rules)
  }
  return coverage
}

/**
 * The same of a repository of the trash, or of the first of those in a project of the trash, by the names that they had. A rule that was made since was never about them.
 */
export async function coverageInTrash(
  reader: Reader,
  { kind, project, projectId, repository, repositoryId, deletedAt }: TrashRecord,
): Promise<Coverage> {
  const coverage = new Map<number, readonly ImmutableRule[]>()
  const rows =
    kind === 'repository'
      ? [{ id: repositoryId ?? 0, name: repository, projectId, hiddenName: repository }]
      : kind === 'project'
        ? await inTrashedProject(reader, { id: projectId, name: project })
        : []
  for (const { id, name, projectId: owner, hiddenName } of rows) {
    const found = new Map<number, ImmutableRule>()
    for (const each of [name, hiddenName])
      for (const rule of await immutableRulesOver(reader, { name: each as RepositoryName, projectId: owner })) found.set(rule.id, rule)
    const rules = [...found.values()].filter((rule) => rule.createdAt <= deletedAt && isAbout(rule, name as RepositoryName))
    if (rules.length > 0) coverage.set(id, rules)
  }
  return coverage
}

/** With the names that they had: in the trash the project, and what is below it, has another. */
async function inTrashedProject(reader: Reader, { id, name }: { readonly id: number; readonly name: string }) {
  const hidden = trashedNameOf(id)
  const rows = await reader
    .selectFrom('repositories')
    .select(['id', 'name as hiddenName', 'project_id as projectId'])
    .where(belowPrefix('name', hidden))
    .orderBy('name')
    .limit(repositoriesMax)
    .execute()
  return rows.map((row) => ({ ...row, name: name + row.hiddenName.slice(hidden.length) }))
}

function isAbout({ repositories }: ImmutableRule, name: RepositoryName): boolean {
  const glob = parseGlob(repositories)
  return glob !== undefined && matchesGlob(glob, name)
}

/** A sentence about what was covered before the names changed and is not any more; undefined where all is as it was. */
export async function describeLostRules(reader: Reader, before: Coverage): Promise<string | undefined> {
  if (before.size === 0) return undefined
  const rows = await reader
    .selectFrom('repositories')
    .select(['id', 'name'])
    .where('id', 'in', [...before.keys()])
    .execute()
  const after = await coverageBy(reader, rows)
  const lost = new Map<number, ImmutableRule>()
  let repositories = 0
  for (const [id, rules] of before) {
    const left = rules.filter((rule) => after.get(id)?.some((each) => each.id === rule.id) !== true)
    for (const rule of left) lost.set(rule.id, rule)
    if (left.length > 0) repositories++
  }
  if (lost.size === 0) return undefined
  const named = [...lost.values()]
    .slice(0, 3)
    .map(({ id, project, tags }) => `${id}${isHiddenName(project) ? '' : ` of project ${project}`} (${tags})`)
  const more = lost.size > named.length ? ' and others' : ''
  const count = before.size === repositoriesMax ? `${repositories} or more` : String(repositories)
  return (
    `${count === '1' ? '1 repository is' : `${count} repositories are`} no longer under immutable tag rule ${named.join(', ')}${more}: ` +
    `tags that it kept can be moved and deleted now; make a rule where they are`
  )
}
