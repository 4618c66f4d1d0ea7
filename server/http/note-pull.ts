/** The audit line of a pull, where the configuration asks for one: into memory, never to the database. */
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Exchange } from './exchange.ts'
import { whoOf } from './requester.ts'

/** The manifest has been sent. */
export function notePull(
  exchange: Exchange,
  pulled: { readonly repository: RepositoryName; readonly digest: Digest; readonly tag: Tag | undefined },
): void {
  const { pulls, ports } = exchange.site.parts
  const { principal, project } = exchange.notes
  if (pulls?.hasPulls !== true || principal === undefined) return
  pulls.pulled({ ...pulled, project: project?.name, projectId: project?.id, ...whoOf(exchange, principal), at: ports.clock.now() })
}
