/** A pull is counted, and leaves an audit line where the configuration asks for one: into memory, never to the database. */
import type { ProjectFacts } from '#access/decide.ts'
import type { Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import type { Exchange } from './exchange.ts'
import { whoOf } from './requester.ts'

/** The manifest has been sent: a GET that was answered with it, not a HEAD and not a 304, which load nothing. */
export function notePull(
  exchange: Exchange,
  pulled: { readonly repository: RepositoryName; readonly manifestId: number; readonly digest: Digest; readonly tag: Tag | undefined },
): void {
  const { pulls, pullStatistics, ports, traffic } = exchange.site.parts
  const { manifestId, ...line } = pulled
  pullStatistics?.pulled({ manifestId, tag: line.tag })
  const { principal, project } = exchange.notes
  traffic?.pulled(project?.id)
  if (pulls?.hasPulls !== true || principal === undefined) return
  pulls.pulled({ ...line, project: project?.name, projectId: project?.id, ...whoOf(exchange, principal), at: ports.clock.now() })
}

/** A file was read out of an image: no pull that counts, and yet bytes that left. */
export function noteFileRead(
  exchange: Exchange,
  project: ProjectFacts,
  read: { readonly repository: RepositoryName; readonly digest: Digest; readonly tag: Tag | undefined; readonly path: string },
): void {
  const { pulls, ports } = exchange.site.parts
  const { principal } = exchange.notes
  if (pulls?.hasPulls !== true || principal === undefined) return
  pulls.pulled({ ...read, project: project.name, projectId: project.id, ...whoOf(exchange, principal), at: ports.clock.now() })
}
