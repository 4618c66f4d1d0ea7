/** Whether a repository is there. */
import { findRepositoryId } from '#metadata/repositories.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Registry } from './registry.ts'

/** One indexed read. A repository exists from its first push on, even while it is empty. */
export async function repositoryExists({ metadata }: Registry, repository: RepositoryName): Promise<boolean> {
  return (await findRepositoryId(metadata.reader, repository)) !== undefined
}
