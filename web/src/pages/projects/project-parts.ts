import type { ResponseOf } from '#api/contract.ts'
import type { readProject } from '#api/routes/projects.ts'

export type Project = ResponseOf<typeof readProject>

/** What every part of a project's page gets. */
export interface ProjectPartProps {
  readonly project: Project
  /** What the reader may here. */
  readonly rights: ReadonlySet<string>
}
