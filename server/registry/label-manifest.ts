/** Putting labels on manifests, and taking them off. A label must be for all, or of the repository's project or one above it. */
import type { Who } from '#events/event.ts'
import { recordEvent } from '#events/record.ts'
import {
  countLabelsOfManifest,
  deleteManifestLabel,
  findLabel,
  insertManifestLabel,
  labelsOfManifests,
  type LabelRecord,
} from '#metadata/labels.ts'
import { findManifest, manifestsOfRepository } from '#metadata/manifests.ts'
import type { Transactor } from '#metadata/metadata.ts'
import { isBelow } from '#metadata/name-prefixes.ts'
import { findProjectById } from '#metadata/projects.ts'
import { repositoryIdIn } from '#metadata/repositories.ts'
import { transaction } from '#metadata/transaction.ts'
import type { Digest } from '#oci/digest.ts'
import { RegistryError } from '#oci/errors.ts'
import type { RepositoryName } from '#oci/reference.ts'
import { resourceUnknown } from '#oci/resource-unknown.ts'
import { ownerOf } from '#projects/find-project.ts'
import type { Registry } from './registry.ts'
import { requireWritable } from './require.ts'

/** Which label on which manifest. */
export interface ManifestLabel {
  readonly repository: RepositoryName
  readonly digest: Digest
  readonly labelId: number
}

interface Change extends ManifestLabel {
  readonly who: Who
  readonly now: number
}

/** More on one manifest help nobody find it. */
const labelsPerManifestMax = 100

const add = transaction(import.meta.url, 'label-manifest/add', async (tx, input: Change): Promise<void> => {
  const { repository, digest, labelId, now: at, who } = input
  const manifestId = await manifestIn(tx, input)
  const label = await labelFor(tx, input)
  if (!(await insertManifestLabel(tx, { manifestId, labelId, at }))) return
  if ((await countLabelsOfManifest(tx, manifestId)) > labelsPerManifestMax) {
    throw new RegistryError('CONFLICT', { labelsPerManifestMax }, { message: `a manifest has ${labelsPerManifestMax} labels at most` })
  }
  await recordEvent(tx, { action: 'manifest.labelled', repository, digest, detail: { label: label.name }, at, ...who })
})

const remove = transaction(import.meta.url, 'label-manifest/remove', async (tx, input: Change): Promise<void> => {
  const { repository, digest, labelId, now: at, who } = input
  const manifestId = await manifestIn(tx, input)
  const label = await findLabel(tx, labelId)
  if (label === undefined || !(await deleteManifestLabel(tx, { manifestId, labelId }))) throw new RegistryError('RESOURCE_UNKNOWN')
  await recordEvent(tx, { action: 'manifest.unlabelled', repository, digest, detail: { label: label.name }, at, ...who })
})

async function manifestIn(tx: Transactor, { repository, digest }: ManifestLabel): Promise<number> {
  const repositoryId = await repositoryIdIn(tx, repository)
  if (repositoryId === undefined) throw resourceUnknown('repository', repository)
  const manifestId = (await manifestsOfRepository(tx, repositoryId, [digest])).get(digest)
  if (manifestId === undefined) throw resourceUnknown('manifest', digest)
  return manifestId
}

/** A label of a project that is none of the repository's is not there: nothing is told of it. */
async function labelFor(tx: Transactor, { repository, labelId }: ManifestLabel): Promise<LabelRecord> {
  const label = await findLabel(tx, labelId)
  if (label === undefined) throw new RegistryError('RESOURCE_UNKNOWN')
  if (label.projectId === null) return label
  const home = await findProjectById(tx, label.projectId)
  const owner = await ownerOf(tx, repository)
  if (home === undefined || (home.id !== owner.id && !isBelow(owner.name, home.name))) throw new RegistryError('RESOURCE_UNKNOWN')
  return label
}

/** One that is there already stays. Throws RESOURCE_UNKNOWN for a manifest that is not there, and for a label that is not for it. */
export async function labelManifest(registry: Registry, label: ManifestLabel, who: Who): Promise<void> {
  requireWritable(registry)
  await registry.metadata.write(add, { ...label, who, now: registry.context.ports.clock.now() })
}

/** Throws RESOURCE_UNKNOWN when it is not on it. */
export async function unlabelManifest(registry: Registry, label: ManifestLabel, who: Who): Promise<void> {
  requireWritable(registry)
  await registry.metadata.write(remove, { ...label, who, now: registry.context.ports.clock.now() })
}

/** The labels of one manifest, in the order of their names. Throws RESOURCE_UNKNOWN. */
export async function labelsOfManifest(
  { metadata: { reader } }: Pick<Registry, 'metadata'>,
  repository: RepositoryName,
  digest: Digest,
): Promise<readonly LabelRecord[]> {
  const found = await findManifest(reader, repository, { kind: 'digest', digest })
  if (found === undefined || found === 'no-repository') throw resourceUnknown('manifest', digest)
  return (await labelsOfManifests(reader, [found.manifestId])).get(found.manifestId) ?? []
}
