/** The rows among themselves: manifests hash to their digests and have what they need, tags point at manifests. SQLite's own checks know nothing of this. */
import { manifestsAfter, digestsAtHand, tagsAfter, type ScrubbedManifest } from '#metadata/scrub-reads.ts'
import type { Finding } from '#metadata/scrub-findings.ts'
import { digestAlgorithm, digestOf } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import { manifestReferences } from '#registry/manifest-references.ts'
import { advance, keep, type Pass } from './scrub-pass.ts'

/** A manifest may have 4 MiB. */
const pageManifests = 16
const pageTags = 1_000
/** Digests that a finding names. */
const namedDigests = 3

const place = 'database'

/** Goes over all manifests that are not in the trash. */
export async function scrubManifests(pass: Pass): Promise<void> {
  const { reader } = pass.registry.metadata
  for (;;) {
    const page = await manifestsAfter(reader, { afterId: pass.cursor.afterId, limit: pageManifests })
    for (const manifest of page) {
      pass.run.signal.throwIfAborted()
      const detail = await faultOf(pass, manifest)
      const findings = detail !== undefined && (await isStillThere(pass, manifest)) ? [findingOf(manifest, detail)] : []
      advance(pass, { afterId: manifest.id }, { manifests: 1 })
      await keep(pass, findings)
    }
    if (page.length < pageManifests) return
    await pass.rest()
  }
}

async function faultOf({ registry }: Pass, manifest: ScrubbedManifest): Promise<string | undefined> {
  const { digest, payload, sizeBytes, mediaType } = manifest
  const actual = digestOf(payload, digestAlgorithm(digest))
  if (actual !== digest) return `its bytes hash to ${actual}: restore the database from a backup, or delete the manifest and push it again`
  if (payload.byteLength !== sizeBytes) return `it has ${payload.byteLength} bytes, and its row says ${sizeBytes}`
  try {
    const needed = manifestReferences(await registry.context.parser.parse(payload, mediaType), registry.options)
    const atHand = await digestsAtHand(registry.metadata.reader, manifest)
    const absent = needed.filter((reference) => reference.isRequired && !atHand.has(reference.digest)).map((reference) => reference.digest)
    return absent.length === 0 ? undefined : `not in its repository: ${named(absent)}; push the image again`
  } catch (error) {
    if (error instanceof RegistryError && error.code === 'MANIFEST_INVALID') return `it is no manifest: ${error.message}`
    throw error
  }
}

function named(digests: readonly string[]): string {
  const more = digests.length > namedDigests ? ` and ${digests.length - namedDigests} more` : ''
  return `${digests.slice(0, namedDigests).join(', ')}${more}`
}

/** Between the look at it and the look for what it needs it may have been deleted. */
async function isStillThere({ registry }: Pass, { id, repositoryId }: ScrubbedManifest): Promise<boolean> {
  const [row] = await manifestsAfter(registry.metadata.reader, { afterId: id - 1, limit: 1 })
  return row?.id === id && row.repositoryId === repositoryId
}

function findingOf({ id, repository, digest, sizeBytes }: ScrubbedManifest, detail: string): Finding {
  return { kind: 'manifest', store: place, key: `manifest/${id}`, digest, sizeBytes, detail: `${repository}@${digest}: ${detail}` }
}

/** Goes over all tags. */
export async function scrubTags(pass: Pass): Promise<void> {
  const { reader } = pass.registry.metadata
  for (;;) {
    pass.run.signal.throwIfAborted()
    const page = await tagsAfter(reader, { afterId: pass.cursor.afterId, limit: pageTags })
    const findings = page
      .filter((tag) => !tag.isWhole)
      .map(({ id, name, repository }): Finding => ({
        kind: 'tag',
        store: place,
        key: `tag/${id}`,
        sizeBytes: 0,
        detail: `${repository}:${name} points at no manifest of its repository: push or delete it`,
      }))
    advance(pass, { afterId: page.at(-1)?.id ?? pass.cursor.afterId }, { tags: page.length })
    await keep(pass, findings)
    if (page.length < pageTags) return
    await pass.rest()
  }
}
