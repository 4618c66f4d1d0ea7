/**
 * Pulling a manifest: what the tag or digest means in this repository is one indexed read every time; the bytes are immutable and come from
 * memory, or from the database once.
 */
import { findManifest, manifestPayload, type ManifestFacts, type ManifestReference } from '#metadata/manifests.ts'
import { digestAlgorithm, digestOf, type Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import type { Answer } from './last-known.ts'
import type { Actor, Registry } from './registry.ts'

/** A manifest without its bytes. */
export interface ManifestStatus {
  readonly digest: Digest
  readonly mediaType: string
  readonly sizeBytes: number
  /** What the tag meant when the database was last there. */
  readonly isLastKnown: boolean
}

/** A manifest as it was pushed. `bytes` may be those of the cache: do not change them. */
export interface PulledManifest {
  /** Of its row. */
  readonly manifestId: number
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  /** What the tag meant when the database was last there. */
  readonly isLastKnown: boolean
}

/** end-3 (GET). Throws `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, and what the admission checks for pulls throw. */
export async function pullManifest(
  registry: Registry,
  repository: RepositoryName,
  reference: ManifestReference,
  actor: Actor,
): Promise<PulledManifest> {
  const facts = await find(registry, repository, reference)
  await admit(registry, repository, { facts, reference, actor })
  const { manifestId, digest, mediaType, isLastKnown } = facts
  const bytes = registry.memory.contents.get(digest) ?? (await readPayload(registry, facts))
  if (bytes === undefined) throw unknown(reference)
  return { manifestId, digest, mediaType, bytes, isLastKnown }
}

/** end-3 (HEAD). Throws as {@link pullManifest}. */
export async function statManifest(
  registry: Registry,
  repository: RepositoryName,
  reference: ManifestReference,
  actor: Actor,
): Promise<ManifestStatus> {
  const facts = await find(registry, repository, reference)
  await admit(registry, repository, { facts, reference, actor })
  return facts
}

interface Found extends ManifestFacts {
  readonly isLastKnown: boolean
}

async function find(registry: Registry, repository: RepositoryName, reference: ManifestReference): Promise<Found> {
  const { value: facts, isLastKnown } = await look(registry, repository, reference)
  if (facts === 'no-repository') throw new RegistryError('NAME_UNKNOWN', { name: repository })
  if (facts === undefined) throw unknown(reference)
  return { ...facts, isLastKnown }
}

/** A tag may have moved since: where nobody allowed its last value, who asks for it waits until the database is back. */
async function look(
  registry: Registry,
  repository: RepositoryName,
  reference: ManifestReference,
): Promise<Answer<Awaited<ReturnType<typeof findManifest>>>> {
  const read = () => findManifest(registry.metadata.reader, repository, reference)
  const { places } = registry.memory
  if (reference.kind === 'digest') return await places.read(keyOf(repository, reference.digest), read)
  const isStaleFine = registry.options.staleTags === true
  const found = isStaleFine ? await places.read(`tag ${reference.tag} ${repository}`, read) : { value: await read(), isLastKnown: false }
  // Clients go on by the digest that the tag gave them.
  if (typeof found.value === 'object' && !found.isLastKnown) places.note(keyOf(repository, found.value.digest), found.value)
  return found
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `manifest ${digest} ${repository}`
}

async function admit(
  registry: Registry,
  repository: RepositoryName,
  pull: { readonly facts: ManifestFacts; readonly reference: ManifestReference; readonly actor: Actor },
): Promise<void> {
  const tags = pull.reference.kind === 'tag' ? [pull.reference.tag] : []
  for (const check of registry.hooks.admission) {
    if (!check.operations.includes('pull')) continue
    await check.check({ operation: 'pull', repository, digest: pull.facts.digest, tags, manifest: undefined, actor: pull.actor })
  }
}

/** Proves the bytes on their way into the cache. Undefined when the manifest went meanwhile, or is damaged: a push of it heals it. */
async function readPayload(registry: Registry, { manifestId, digest }: ManifestFacts): Promise<Uint8Array | undefined> {
  const bytes = await manifestPayload(registry.metadata.reader, manifestId)
  if (bytes === undefined) return undefined
  if (digestOf(bytes, digestAlgorithm(digest)) !== digest) {
    registry.context.log.error(
      { digest, manifestId },
      'the stored bytes of a manifest do not have its digest: the next push of it heals it',
    )
    return undefined
  }
  registry.memory.contents.set(digest, bytes)
  return bytes
}

function unknown(reference: ManifestReference): RegistryError {
  return new RegistryError('MANIFEST_UNKNOWN', reference.kind === 'tag' ? { tag: reference.tag } : { digest: reference.digest })
}
