/** What was deleted in Berth after it had taken the directory over: a later import must not bring it back, though its link file is still there. */
import type { Reader } from '#metadata/metadata.ts'
import { digestFromBytes, type Digest } from '#oci/digest.ts'

/** What an import leaves out because it was deleted in Berth: whole repositories by name, and single contents. */
export interface Deletions {
  readonly repositories: ReadonlySet<string>
  /** {@link deletionKey} of manifests and blobs. */
  readonly contents: ReadonlySet<string>
}

const eventsInPage = 1_000
const actions = ['manifest.deleted', 'blob.deleted', 'repository.deleted']

/** `<repository>@<digest>`, one text for a set to hold. */
export function deletionKey(repository: string, digest: Digest): string {
  return `${repository}@${digest}`
}

/** Reads the events since then; none when the directory was never taken over before. As long as events are kept, deletions are known. */
export async function readDeletions(reader: Reader, since: number | undefined): Promise<Deletions> {
  const repositories = new Set<string>()
  const contents = new Set<string>()
  let lastId: number | undefined = since === undefined ? undefined : 0
  while (since !== undefined && lastId !== undefined) {
    const rows = await reader
      .selectFrom('events')
      .select(['id', 'action', 'repository', 'digest'])
      .where('id', '>', lastId)
      .where('at', '>=', since)
      .where('action', 'in', actions)
      .orderBy('id')
      .limit(eventsInPage)
      .execute()
    for (const { action, repository, digest } of rows) {
      if (repository === null) continue
      if (action === 'repository.deleted') repositories.add(repository)
      else if (digest !== null) contents.add(deletionKey(repository, digestFromBytes(digest)))
    }
    lastId = rows.at(-1)?.id
  }
  return { repositories, contents }
}
