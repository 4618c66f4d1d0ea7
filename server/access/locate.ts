/**
 * Which project owns a name, and where a former name leads. Remembered until the access epoch changes: projects are few, and requests name the same
 * ones over and over.
 *
 * A project is a name prefix at a `/`; the longest one that fits owns the repository, and the next shorter ones are its parents, whose rights it inherits.
 * Where former names lead is told by metadata/name-redirects.ts.
 */
import type { Reader } from '#metadata/metadata.ts'
import { prefixesOf } from '#metadata/name-prefixes.ts'
import { resolveProjectName, resolveRepositoryName } from '#metadata/name-redirects.ts'
import { hasRedirects, projectFactsNamedOrDefault, type ProjectFactsRow } from '#metadata/project-facts.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { ProjectFacts } from './decide.ts'
import { EpochMemory, type AccessEpoch } from '#metadata/watch-access.ts'

const rememberedNames = 20_000

/** Where a repository is. */
export interface Location {
  /** By its present name. */
  readonly repository: RepositoryName
  readonly project: ProjectFacts
}

/** Looks names up. One per process. */
export class ProjectMap {
  readonly #reader: Reader
  /** By the prefix that a repository's last part stands behind; empty for names without one. */
  readonly #owners: EpochMemory<ProjectFacts>
  readonly #redirected: EpochMemory<{ readonly name: RepositoryName }>
  readonly #hasRedirects: EpochMemory<{ readonly any: boolean }>

  constructor(reader: Reader, epoch: AccessEpoch) {
    this.#reader = reader
    this.#owners = new EpochMemory(epoch, rememberedNames)
    this.#redirected = new EpochMemory(epoch, rememberedNames)
    this.#hasRedirects = new EpochMemory(epoch, 1)
  }

  /** Follows redirects. Every name has an owner, the default project at last, whether there is such a repository or not. */
  async locate(asked: RepositoryName): Promise<Location> {
    const repository = await this.#present(asked)
    return { repository, project: await this.#ownerBelow(parentOf(repository)) }
  }

  /** The project of that name, or the one that was called so; undefined when there is none. */
  async project(name: string): Promise<ProjectFacts | undefined> {
    const owner = await this.#ownerBelow(name)
    if (owner.name === name || !(await this.#anyRedirects())) return owner.name === name ? owner : undefined
    const present = await resolveProjectName(this.#reader, name)
    const found = await this.#ownerBelow(present)
    return found.name === present ? found : undefined
  }

  /** What stands above a name, be it a project's or not: the default project at last. */
  async above(name: string): Promise<ProjectFacts> {
    return await this.#ownerBelow(parentOf(name))
  }

  async #ownerBelow(prefix: string): Promise<ProjectFacts> {
    const owner = await this.#owners.get(prefix, () => this.#readOwner(prefix))
    if (owner === undefined) throw new Error('the default project is missing')
    return owner
  }

  async #readOwner(prefix: string): Promise<ProjectFacts | undefined> {
    const names = prefix === '' ? [] : [prefix, ...prefixesOf(prefix)]
    const rows = await projectFactsNamedOrDefault(this.#reader, names)
    const chain = rows.filter((row) => names.includes(row.name)).toSorted((a, b) => b.name.length - a.name.length)
    return factsOf(chain.length > 0 ? chain : rows.filter((row) => row.isDefault))
  }

  async #present(asked: RepositoryName): Promise<RepositoryName> {
    if (!(await this.#anyRedirects())) return asked
    const found = await this.#redirected.get(asked, async () => ({ name: await resolveRepositoryName(this.#reader, asked) }))
    return found?.name ?? asked
  }

  async #anyRedirects(): Promise<boolean> {
    return (await this.#hasRedirects.get('', async () => ({ any: await hasRedirects(this.#reader) })))?.any ?? false
  }
}

function factsOf(chain: readonly ProjectFactsRow[]): ProjectFacts | undefined {
  const [own] = chain
  return own && { id: own.id, name: own.name, isPublic: own.isPublic, isDefault: own.isDefault, lineage: chain.map(({ id }) => id) }
}

/** What stands before the last `/`; empty when there is none. */
function parentOf(name: string): string {
  return name.slice(0, Math.max(0, name.lastIndexOf('/')))
}
