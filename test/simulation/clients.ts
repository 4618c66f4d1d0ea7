/** Clients that push, pull, tag and delete, and what they may rely on while they do. */
import { setQuota } from '#projects/quotas.ts'
import { deleteBlob } from '#registry/delete-blob.ts'
import { deleteManifest, deleteTag } from '#registry/delete-manifest.ts'
import { deleteRepository } from '#registry/delete-repository.ts'
import { listTags } from '#registry/list-tags.ts'
import { listTrash } from '#registry/list-trash.ts'
import { mountBlob } from '#registry/mount-blob.ts'
import { statBlob } from '#registry/pull-blob.ts'
import { pullManifest } from '#registry/pull-manifest.ts'
import { purgeTrash } from '#registry/purge-trash.ts'
import { pushManifest } from '#registry/push-manifest.ts'
import { placeOfRestore, restoreTrash } from '#registry/restore-trash.ts'
import { restoreTag } from '#registry/restore-tag.ts'
import { tagManifest } from '#registry/tag-manifest.ts'
import type { Actor } from '#registry/registry.ts'
import { digestOf, type Digest } from '#oci/digest.ts'
import type { RepositoryName, Tag } from '#oci/reference.ts'
import { manifests, projects, tags, type SimBlob, type SimManifest } from './content.ts'
import type { Operation } from './operations.ts'
import { request, type Answer } from './requests.ts'
import { blobAt, leaseMs, repositoryAt, upload, type Client } from './uploads.ts'

type Of<Kind extends Operation['kind']> = Extract<Operation, { readonly kind: Kind }>

const everything = { kind: 'everything' } as const
const manifestAt = (index: number): SimManifest => manifests[index] as SimManifest
const tagAt = (index: number): Tag => tags[index] as Tag
const who = ({ name, requestId }: Actor) => ({ actor: name, requestId })

/** As docker does: what is not there is mounted or uploaded, then the manifest says that they belong together. */
export async function push(client: Client, operation: Of<'push'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const manifest = manifestAt(operation.manifest)
  const wanted = [...operation.tags.map(tagAt), ...(manifest.ownTag === undefined ? [] : [manifest.ownTag])]
  await pushWith(client, { repository, manifest, wanted, ways: operation.ways })
}

interface Push {
  readonly repository: RepositoryName
  readonly manifest: SimManifest
  readonly wanted: readonly Tag[]
  readonly ways: readonly number[]
}

async function pushWith(client: Client, { repository, manifest, wanted, ways }: Push): Promise<boolean> {
  const [first = 0] = ways
  if (first < 70)
    for (const child of manifest.children)
      if (!(await pushWith(client, { repository, manifest: manifestAt(child), wanted: [], ways }))) return false
  for (const [index, blob] of manifest.blobs.entries())
    if (!(await bring(client, repository, { blob: blobAt(blob), way: (ways[index % 4] ?? 0) % 100 }))) return false
  return await put(client, { repository, manifest, wanted })
}

async function bring(
  client: Client,
  repository: RepositoryName,
  { blob, way }: { readonly blob: SimBlob; readonly way: number },
): Promise<boolean> {
  if (await head(client, repository, blob)) return true
  if (way % 10 < 3 && (await mount(client, repository, { from: repositoryAt(way % 4), blob }))) return true
  return await upload(client, repository, { blob, way })
}

async function put({ world, process }: Client, { repository, manifest, wanted }: Omit<Push, 'ways'>): Promise<boolean> {
  const { bytes, mediaType, digest } = manifest
  const wereThere = manifest.children
    .map((child) => manifestAt(child).digest)
    .filter((child) => world.model.manifests.has(`${repository} ${child}`))
  const answer = await request(world, process, {
    what: `put ${manifest.name} in ${repository} as ${wanted.join(' ')}`,
    event: 'manifest.pushed',
    run: (actor) =>
      pushManifest(process.registry, { repository, reference: { digest, tags: wanted }, mediaType, bytes: Buffer.from(bytes), actor }),
  })
  if (answer.kind === 'done') {
    for (const tag of wanted) requireTag({ world, answer, repository, tag }, digest)
    return true
  }
  if (answer.code !== 'MANIFEST_BLOB_UNKNOWN') return false
  const { digests } = answer.error.detail as { readonly digests: readonly Digest[] }
  for (const missing of digests) {
    if (world.model.isPromised(repository, missing))
      world.model.violate(`I2: ${answer.call.id} needs ${missing}, which it was told to be in ${repository}, and is refused`)
    const isDeleted =
      world.model.takenBackSince(`${repository} manifest ${missing}`, answer.call.startStep) ||
      world.model.takenBackSince(repository, answer.call.startStep)
    if (wereThere.includes(missing) && !isDeleted)
      world.model.violate(`I1: ${answer.call.id} lists ${missing}, which is in ${repository}, and is refused`)
  }
  return false
}

interface TagCheck {
  readonly world: Client['world']
  readonly answer: Answer<unknown>
  readonly repository: RepositoryName
  readonly tag: Tag
}

/** At some moment of the request the tag pointed there. */
function requireTag({ world, answer: { call }, repository, tag }: TagCheck, digest: Digest | undefined): void {
  if (!world.model.tags.wasDuring(`${repository}:${tag}`, digest, [call.startStep, world.scheduler.steps]))
    world.model.violate(`I3: ${call.id} ${call.what}: ${repository}:${tag} never was ${digest} meanwhile`)
}

/** True: the client need not send it. */
export async function head(client: Client, repository: RepositoryName, blob: SimBlob): Promise<boolean> {
  const { world, process } = client
  const answer = await request(world, process, {
    what: `head ${repository} ${blob.digest.slice(7, 15)}`,
    run: (actor) => statBlob(process.registry, repository, blob.digest, actor),
  })
  if (answer.kind === 'not') return false
  if (answer.value.sizeBytes !== blob.bytes.length) world.model.violate(`I4: ${answer.call.id} says ${answer.value.sizeBytes} bytes`)
  // Half a lease is what a HEAD is good for: it writes nothing while more than that is left.
  world.model.promise(answer.call, { repository, digest: blob.digest, forMs: leaseMs(client) / 2 })
  return true
}

export async function mount(
  client: Client,
  repository: RepositoryName,
  { from, blob }: { readonly from: RepositoryName; readonly blob: SimBlob },
): Promise<boolean> {
  const { world, process } = client
  const { digest } = blob
  const answer = await request(world, process, {
    what: `mount ${digest.slice(7, 15)} from ${from} to ${repository}`,
    event: (isMounted) => (isMounted ? 'blob.mounted' : undefined),
    run: (actor) => mountBlob(process.registry, { repository, digest, from, visibility: everything, actor }),
  })
  if (answer.kind === 'not' || !answer.value) return false
  world.model.promise(answer.call, { repository, digest, forMs: leaseMs(client) })
  return true
}

export async function pull({ world, process }: Client, operation: Of<'pull'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const tag = tagAt(operation.tag)
  const answer = await request(world, process, {
    what: `pull ${repository}:${tag}`,
    run: (actor) => pullManifest(process.registry, repository, { kind: 'tag', tag }, actor),
  })
  requireTag({ world, answer, repository, tag }, answer.kind === 'done' ? answer.value.digest : undefined)
  if (answer.kind === 'done' && digestOf(answer.value.bytes) !== answer.value.digest)
    world.model.violate(`I4: ${answer.call.id} sent other bytes than ${answer.value.digest}`)
}

/** Every listed tag was there, and every one that stayed is listed. */
export async function list({ world, process }: Client, operation: Of<'list'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const before = new Set([...world.model.tags.current.keys()].filter((key) => key.startsWith(`${repository}:`)))
  const answer = await request(world, process, {
    what: `list ${repository}`,
    run: () => listTags(process.registry, repository, { n: 100 }),
  })
  if (answer.kind === 'not') return
  const { call } = answer
  const during = [call.startStep, world.scheduler.steps] as const
  const listed = new Set(answer.value.tags.map((tag) => `${repository}:${tag}`))
  for (const key of listed)
    if (!before.has(key) && world.model.tags.wasDuring(key, undefined, during) && !world.model.tags.current.has(key))
      world.model.violate(`I3: ${call.id} lists ${key}`)
  for (const key of before)
    if (!listed.has(key) && !world.model.tags.wasDuring(key, undefined, during)) world.model.violate(`I3: ${call.id} does not list ${key}`)
}

export async function tag({ world, process }: Client, operation: Of<'tag'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const name = tagAt(operation.tag)
  const { digest } = manifestAt(operation.manifest)
  const expectedDigest = operation.expected ? world.model.tags.current.get(`${repository}:${name}`) : undefined
  const answer = await request(world, process, {
    what: `tag ${repository}:${name} ${digest.slice(7, 15)} if ${expectedDigest?.slice(7, 15)}`,
    event: (outcome) => (outcome === 'unchanged' ? undefined : 'tag.moved'),
    run: (actor) => tagManifest(process.registry, { repository, tag: name, digest, mayMove: true, expectedDigest }, who(actor)),
  })
  if (answer.kind === 'not') return
  requireTag({ world, answer, repository, tag: name }, digest)
  const { before } = answer.call
  if (expectedDigest !== undefined && before !== undefined && before !== expectedDigest)
    world.model.violate(`I3: ${answer.call.id} ${answer.call.what}: it pointed at ${before}`)
}

export async function removeTag({ world, process }: Client, operation: Of<'delete-tag'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const name = tagAt(operation.tag)
  const expectedDigest = operation.expected ? world.model.tags.current.get(`${repository}:${name}`) : undefined
  const answer = await request(world, process, {
    what: `delete ${repository}:${name} if ${expectedDigest?.slice(7, 15)}`,
    event: 'tag.deleted',
    run: (actor) => deleteTag(process.registry, repository, { name, expectedDigest }, actor),
  })
  if (answer.kind === 'not') return
  requireTag({ world, answer, repository, tag: name }, undefined)
  const { before } = answer.call
  if (expectedDigest !== undefined && before !== undefined && before !== expectedDigest)
    world.model.violate(`I3: ${answer.call.id} ${answer.call.what}: it pointed at ${before}`)
}

export async function removeManifest({ world, process }: Client, operation: Of<'delete-manifest'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const { digest, name } = manifestAt(operation.manifest)
  await request(world, process, {
    what: `delete manifest ${name} of ${repository}`,
    event: 'manifest.deleted',
    run: (actor) => deleteManifest(process.registry, repository, digest, actor),
  })
}

export async function removeBlob({ world, process }: Client, operation: Of<'delete-blob'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const { digest } = blobAt(operation.blob)
  await request(world, process, {
    what: `delete blob ${digest.slice(7, 15)} of ${repository}`,
    event: 'blob.deleted',
    run: (actor) => deleteBlob(process.registry, repository, digest, actor),
  })
}

export async function removeRepository({ world, process }: Client, operation: Of<'delete-repository'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  await request(world, process, {
    what: `delete ${repository}`,
    event: 'repository.deleted',
    run: (actor) => deleteRepository(process.registry, repository, actor),
  })
}

async function someTrash({ process }: Client, which: number) {
  const page = { limit: 100, column: 'deletedAt', isDescending: false } as const
  const { items } = await listTrash(process.registry, everything, { filter: {}, page })
  return items[which % Math.max(1, items.length)]
}

export async function restore(client: Client, { which }: Of<'restore'>): Promise<void> {
  const { world, process } = client
  const row = await someTrash(client, which)
  if (row === undefined) return
  await request(world, process, {
    what: `restore ${row.kind} ${row.repository} ${row.digest?.slice(7, 15)}`,
    event: 'trash.restored',
    async run(actor) {
      const found = row.kind === 'repository' ? await placeOfRestore(process.registry, row, undefined) : undefined
      const place = found && { to: found.repository, projectId: found.project.id }
      return await restoreTrash(process.registry, { row, place }, who(actor))
    },
  })
}

export async function restoreOneTag({ world, process }: Client, operation: Of<'restore-tag'>): Promise<void> {
  const repository = repositoryAt(operation.repository)
  const name = tagAt(operation.tag)
  await request(world, process, {
    what: `restore tag ${repository}:${name}`,
    run: (actor) => restoreTag(process.registry, { repository, tag: name, mayMove: true, mayTakeFromTrash: true }, who(actor)),
  })
}

export async function purge(client: Client, { which }: Of<'purge'>): Promise<void> {
  const { world, process } = client
  const row = await someTrash(client, which)
  if (row === undefined) return
  await request(world, process, {
    what: `purge ${row.kind} ${row.repository} ${row.digest?.slice(7, 15)}`,
    event: 'trash.purged',
    run: (actor) => purgeTrash(process.registry, row, who(actor)),
  })
}

export async function limit({ world, process }: Client, { project, bytes }: Of<'quota'>): Promise<void> {
  const name = projects[project] as string
  await request(world, process, {
    what: `limit ${name} to ${bytes}`,
    async run(actor) {
      const { id } = await process.metadata.reader.selectFrom('projects').select('id').where('name', '=', name).executeTakeFirstOrThrow()
      const limits = bytes === undefined ? undefined : { bytesMax: bytes, repositoriesMax: null, tagsMax: null, warnPercent: 80 }
      return await setQuota(
        { metadata: process.metadata, ports: process.ports },
        { projectId: id, limits, expectedVersion: undefined },
        who(actor),
      )
    },
  })
}
