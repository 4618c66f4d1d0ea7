/** What a project is, for who looks at it. */
import { formerNames } from '#metadata/name-redirects.ts'
import { countRepositories, findProjectById, type ProjectRecord } from '#metadata/projects.ts'
import { firstRepositoryName } from '#metadata/repositories.ts'
import { RegistryError } from '#oci/errors.ts'
import type { ProjectParts } from './projects.ts'

/** The row, and what is counted. */
export interface ProjectDetails extends ProjectRecord {
  /** Those of projects below it are not counted. */
  readonly repositoryCount: number
  /** Names that lead here, oldest first. */
  readonly formerNames: readonly string[]
}

/** More are not shown. */
const formerNamesMax = 100

/** Throws RESOURCE_UNKNOWN. */
export async function readProject({ metadata: { reader } }: Pick<ProjectParts, 'metadata'>, id: number): Promise<ProjectDetails> {
  const project = await findProjectById(reader, id)
  if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  return {
    ...project,
    repositoryCount: await countRepositories(reader, id, firstRepositoryName),
    formerNames: await formerNames(reader, 'project', project.name, formerNamesMax),
  }
}
