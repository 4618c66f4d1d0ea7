/**
 * Pushing a manifest: parse, prove, ask for admission, and one transaction that makes it true with all that it references
 * (distribution-spec "Pushing manifests").
 */
import { digestAlgorithm, digestOf, type Digest, type DigestAlgorithm } from '#oci/digest.ts'
import { manifestTooBig, RegistryError } from '#oci/errors.ts'
import type { Manifest } from '#oci/manifest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { manifestReferences } from './manifest-references.ts'
import { plainActor } from './actor.ts'
import type { Actor, Registry } from './registry.ts'
import { requireWritable } from './require.ts'
import { storeManifest } from './store-manifest.ts'

/** The specification asks for ten at least. Each is a header line of the answer, and Python's http.client, for one, reads no more than 100 of those. */
export const tagsMax = 50

export interface ManifestPush {
  readonly repository: RepositoryName
  /** By digest, with tags or without (end-7b), or by tag alone (end-7a). */
  readonly reference: { readonly digest?: Digest | undefined; readonly tags: readonly Tag[] }
  /** The Content-Type without parameters; empty when the client sent none. */
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly actor: Actor
  /** Whether tags may be made, and led from one manifest to another; DENIED otherwise. Both may unless it is said. */
  readonly mayCreateTags?: boolean | undefined
  readonly mayMoveTags?: boolean | undefined
  /** Of the digest that is answered when the reference names none. */
  readonly algorithm?: DigestAlgorithm | undefined
}

export interface PushedManifest {
  readonly digest: Digest
  readonly subject: Digest | undefined
  readonly tags: readonly Tag[]
}

/**
 * end-7a, end-7b. Throws `MANIFEST_INVALID` (413 over the limit), `DIGEST_INVALID`, what the admission checks throw, and `MANIFEST_BLOB_UNKNOWN` with
 * all digests that are missing.
 */
export async function pushManifest(registry: Registry, push: ManifestPush): Promise<PushedManifest> {
  requireWritable(registry)
  const { repository, bytes, reference } = push
  const tags = [...new Set(reference.tags)]
  if (bytes.byteLength > registry.options.manifestBytes) throw manifestTooBig(registry.options.manifestBytes)
  if (tags.length > tagsMax) throw new RegistryError('REQUEST_INVALID', { reason: `more than ${tagsMax} tags` })
  const digest = proveDigest(push)
  // It is kept in the database, but an image whose layers are away is none.
  await registry.store.requireThere()
  const manifest = await registry.context.parser.parse(bytes, push.mediaType)
  const actor = plainActor(push.actor)
  for (const check of registry.hooks.admission) {
    if (check.operations.includes('push')) await check.check({ operation: 'push', repository, digest, tags, manifest, actor })
  }
  const { mayCreateTags = true, mayMoveTags = true } = push
  await store(registry, { repository, digest, tags, manifest, bytes, actor, mayCreateTags, mayMoveTags })
  registry.memory.contents.set(digest, bytes)
  return { digest, subject: manifest.subject?.digest, tags }
}

function proveDigest({ reference, bytes, algorithm }: ManifestPush): Digest {
  if (reference.digest === undefined) return digestOf(bytes, algorithm ?? 'sha256')
  if (digestOf(bytes, digestAlgorithm(reference.digest)) !== reference.digest)
    throw new RegistryError('DIGEST_INVALID', { digest: reference.digest })
  return reference.digest
}

interface Admitted {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly tags: readonly Tag[]
  readonly manifest: Manifest
  readonly bytes: Uint8Array
  readonly actor: Actor
  readonly mayCreateTags: boolean
  readonly mayMoveTags: boolean
}

async function store(registry: Registry, { manifest, bytes, ...rest }: Admitted): Promise<void> {
  const now = registry.context.ports.clock.now()
  await registry.metadata.write(storeManifest, {
    ...rest,
    mediaType: manifest.mediaType,
    artifactType: manifest.artifactType,
    subject: manifest.subject?.digest,
    // Only the referrers list shows them without the manifest.
    annotations: manifest.subject === undefined ? undefined : JSON.stringify(manifest.annotations),
    payload: bytes,
    references: manifestReferences(manifest, registry.options),
    now,
    reviewAfter: now + registry.options.garbageDelayMs,
  })
  registry.memory.quotas.changed(rest.repository)
}
