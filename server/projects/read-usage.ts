/** What is used: of a project with those below it, of a repository, of everything. */
import type { Metadata } from '#metadata/metadata.ts'
import { isRecounting } from '#metadata/usage-recounts.ts'
import { systemScope, usageIn, type Usage } from '#metadata/usage-counters.ts'
import { findRepositoryId } from '#metadata/repositories.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'

/** Numbers; `isExact` false: bytes and blobs may be too many until a recount is done. */
export interface UsageAnswer extends Usage {
  readonly isExact: boolean
}

interface Parts {
  readonly metadata: Pick<Metadata, 'reader'>
}

/** Of a project and those below it, each blob once. */
export async function readProjectUsage({ metadata: { reader } }: Parts, projectId: number): Promise<UsageAnswer> {
  const usage = await usageIn(reader, { scope: 'project', id: projectId })
  return { ...usage, isExact: !(await isRecounting(reader, projectId)) }
}

/** Of a repository, each blob once. Throws NAME_UNKNOWN. */
export async function readRepositoryUsage({ metadata: { reader } }: Parts, repository: RepositoryName): Promise<UsageAnswer> {
  const id = await findRepositoryId(reader, repository)
  if (id === undefined) throw new RegistryError('NAME_UNKNOWN', { name: repository })
  return { ...(await usageIn(reader, { scope: 'repository', id })), isExact: true }
}

/** Of everything: the bytes that the store holds, the trash and what waits for garbage collection included. */
export async function readSystemUsage({ metadata: { reader } }: Parts): Promise<UsageAnswer> {
  return { ...(await usageIn(reader, systemScope)), isExact: true }
}
