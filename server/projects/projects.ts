/** What the verbs of projects share. */
import type { Ports } from '#lib/ports.ts'
import type { Metadata, Transactor } from '#metadata/metadata.ts'
import { findProjectById, type ProjectRecord } from '#metadata/projects.ts'
import { RegistryError } from '#oci/errors.ts'

/** What every verb takes first. A `Directory` fits. */
export interface ProjectParts {
  readonly metadata: Metadata
  readonly ports: Pick<Ports, 'clock'>
}

/** The project that is to change, in the version that the caller saw. Throws RESOURCE_UNKNOWN or PRECONDITION_FAILED. */
export async function projectToChange(tx: Transactor, id: number, expectedVersion: number | undefined): Promise<ProjectRecord> {
  const project = await findProjectById(tx, id)
  if (project === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if (expectedVersion !== undefined && project.version !== expectedVersion) throw new RegistryError('PRECONDITION_FAILED')
  return project
}

/** The project as a transaction left it. */
export async function projectAfter(tx: Transactor, id: number): Promise<ProjectRecord> {
  const project = await findProjectById(tx, id)
  if (project === undefined) throw new Error('a project went inside the transaction that changed it')
  return project
}
