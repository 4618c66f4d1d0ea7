/** Adopting the tags of one repository, with their history where the times of the index links give its order. */
import { type Digest } from '#oci/digest.ts'
import { parseTag, type Tag } from '#oci/reference.ts'
import { mapLimited } from '#lib/map-limited.ts'
import { entriesOf, inBatches, readLink } from './adopt-files.ts'
import { repositoryPath, tagIndexLinkPath, tagIndexPath, tagLinkPath } from './registry2-layout.ts'
import { adoptRevisions } from './adopt-manifests.ts'
import type { FoundTag } from './adopt-tag-rows.ts'
import type { RepositoryAdoption } from './adopt-run.ts'
import { walkDigests, walkNames } from './adopt-walk.ts'

const tagsInBatch = 200
const filesAtOnce = 16
/** Values of one tag that are kept; a tag that moves at every build has thousands. */
const historyLimit = 100

/** Earlier values of the tag, oldest first. Empty when the times do not tell (a copy that lost them gives all links one time). */
async function readHistory(adoption: RepositoryAdoption, tag: Tag, current: Digest): Promise<FoundTag['earlier']> {
  const { source } = adoption.run
  const values: { digest: Digest; at: number }[] = []
  for await (const digest of walkDigests(source, tagIndexPath(adoption.name, tag), () => undefined)) {
    const link = await readLink(source, tagIndexLinkPath(adoption.name, tag, digest))
    if (link.kind === 'digest') values.push({ digest: link.digest, at: link.modifiedAt })
  }
  values.sort((a, b) => a.at - b.at)
  const isOrdered = values.every((value, index) => index === 0 || value.at > (values[index - 1]?.at ?? 0))
  return isOrdered && values.at(-1)?.digest === current ? values.slice(0, -1).slice(-historyLimit) : []
}

async function readTag(adoption: RepositoryAdoption, name: string): Promise<FoundTag | undefined> {
  const { source } = adoption.run
  const tag = parseTag(name)
  if (tag === undefined) {
    adoption.problems.add('tag-invalid', name)
    return undefined
  }
  const link = await readLink(source, tagLinkPath(adoption.name, tag))
  // Deleting leaves the tag's directory without a link.
  if (link.kind === 'absent') return undefined
  if (link.kind === 'broken') {
    adoption.problems.add('link-broken', `tag ${tag}: ${link.reason}`)
    return undefined
  }
  return { name: tag, digest: link.digest, modifiedAt: link.modifiedAt, earlier: await readHistory(adoption, tag, link.digest) }
}

/** Manifests that came after the revisions were read, while an old registry still writes. */
async function adoptLateRevisions(adoption: RepositoryAdoption, digests: readonly Digest[]): Promise<void> {
  const unknown = await adoption.run.target.unknownManifests(adoption.name, digests)
  const late = unknown.filter((digest) => !adoption.hasFailed(digest))
  if (late.length > 0) await adoptRevisions(adoption, late)
}

/** All tags of the repository that point at a manifest that is there. */
export async function adoptTags(adoption: RepositoryAdoption): Promise<void> {
  const path = `${repositoryPath(adoption.name)}/_manifests/tags`
  const names = walkNames(adoption.run.source, path, (kind, example) => adoption.problems.add(kind, `_manifests/tags/${example}`))
  for await (const batch of inBatches(names, tagsInBatch)) {
    adoption.run.signal?.throwIfAborted()
    const tags = (await mapLimited(batch, filesAtOnce, (name) => readTag(adoption, name))).filter((tag) => tag !== undefined)
    if (tags.length === 0) continue
    await adoptLateRevisions(adoption, [...new Set(tags.map((tag) => tag.digest))])
    const { added, moved, kept, dangling } = await adoption.run.target.addTags(adoption.name, tags)
    adoption.count({ tags: tags.length - dangling.length, tagsAdded: added, tagsMoved: moved, tagsKept: kept })
    const digests = new Map(tags.map((tag) => [tag.name, tag.digest]))
    for (const name of dangling) adoption.problems.add('tag-dangling', `${name}: ${digests.get(name)}`)
    adoption.run.tick()
  }
}

/** Unfinished uploads: not adopted, for their sender would have to know Berth's upload id. */
export async function reportUploads(adoption: RepositoryAdoption): Promise<void> {
  for await (const entry of entriesOf(adoption.run.source, `${repositoryPath(adoption.name)}/_uploads`)) {
    adoption.problems.add(entry.isDirectory() ? 'upload-unfinished' : 'unexpected-entry', `_uploads/${entry.name}`)
  }
}
