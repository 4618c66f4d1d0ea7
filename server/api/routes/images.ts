/** Looking into images: their files, what differs between two of them, and archives of them. */
import { Type } from 'typebox'
import { defineRoute, instant, pageQuery, strictObject, type RouteContract } from '#api/contract.ts'
import { inRepository } from './repositories.ts'

const text = Type.String()
const wholeNumber = (description: string) => Type.Optional(Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, description }))

const oneImage = strictObject({
  ...inRepository,
  reference: Type.String({ minLength: 1, maxLength: 255, description: 'A tag or a digest.' }),
})

const platform = Type.Optional(
  Type.String({
    maxLength: 200,
    description:
      'Which image of an index: os/architecture or os/architecture/variant. Unless said: linux/amd64, or the first that is here.',
    examples: ['linux/arm64/v8'],
  }),
)

const layer = Type.Optional(
  Type.String({ maxLength: 255, description: 'Digest of a layer: its own files alone, with what it hides of the layers below.' }),
)

const filePath = {
  maxLength: 4096,
  description: 'From the root of the image. Symbolic links on the way are followed, and never lead out of it.',
}

/** What an entry of a directory is. */
const fileType = Type.Enum(['file', 'directory', 'symlink', 'hardlink', 'character-device', 'block-device', 'fifo', 'other', 'whiteout'])

const fileEntry = strictObject({
  name: Type.String({ description: 'As the image has it: any characters but a slash.' }),
  type: Type.Unsafe<'file' | 'directory' | 'symlink' | 'hardlink' | 'character-device' | 'block-device' | 'fifo' | 'other' | 'whiteout'>({
    ...fileType,
    description: '`whiteout`, in a layer alone: it hides what the layers below have under this name.',
  }),
  sizeBytes: Type.Integer({ description: 'Of a hard link: of the file that it stands for.' }),
  mode: Type.Integer({ description: 'Permission bits: 420 is 0644.' }),
  uid: Type.Integer(),
  gid: Type.Integer(),
  modifiedAt: instant,
  linkTarget: Type.Optional(Type.String({ description: 'Of links, as the image has it.' })),
  isReadable: Type.Boolean({ description: 'Its bytes can be asked for.' }),
  layer: Type.String({ description: 'The layer that it is from.' }),
})

const unreadable = Type.Array(strictObject({ layer: text, reason: text }), {
  description: 'Layers that could not be read, uppermost first, and why: what they have or hide is not told.',
})

const perImage = { permission: 'repository:pull', on: 'repository' } as const

export const listImageFiles = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{reference}/files',
  tag: 'images',
  summary: 'List a directory of an image as a container would see it, or of one of its layers.',
  demand: perImage,
  params: oneImage,
  query: strictObject({
    ...pageQuery(['name', 'sizeBytes', 'modifiedAt']),
    path: Type.Optional(Type.String({ ...filePath, default: '/' })),
    platform,
    layer,
  }),
  response: strictObject({
    digest: Type.String({ description: 'Of the manifest that was looked into.' }),
    platform: Type.Optional(Type.String({ description: 'That was chosen of an index.' })),
    path: Type.String({ description: 'Of the directory, when links were followed.' }),
    items: Type.Array(fileEntry),
    count: Type.Integer({ description: 'Of all entries of the directory.' }),
    isOpaque: Type.Boolean({ description: 'In a layer alone: it hides all that the layers below have in the directory.' }),
    unreadable,
    next: Type.Optional(text),
  }),
})

export const readImageFile = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{reference}/file',
  tag: 'images',
  summary: 'Read the bytes of a file of an image, or a part of them; `X-File-Size` tells how many there are in all.',
  demand: perImage,
  params: oneImage,
  query: strictObject({
    path: Type.String({ ...filePath, minLength: 1 }),
    platform,
    layer,
    offset: wholeNumber('The first byte that is wanted; 0 unless said.'),
    limit: wholeNumber('How many bytes at most; all unless said.'),
  }),
  produces: ['application/octet-stream'],
})

const reference = Type.String({ minLength: 1, maxLength: 255, description: 'A tag or a digest.' })
const optionalText = Type.Optional(text)
const compared = strictObject({
  repository: text,
  digest: text,
  platform: Type.Optional(Type.String({ description: 'That was chosen of an index.' })),
  sizeBytes: Type.Integer({ description: 'Of its config and layers, each once.' }),
})

export const compareImages = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/compare',
  tag: 'images',
  summary: 'Compare two images: layers, config, files, packages, size. Pages go through the files that differ.',
  demand: perImage,
  alsoNeeds: '`repository:pull` on `toRepository` too',
  params: strictObject(inRepository),
  query: strictObject({
    limit: pageQuery([]).limit,
    cursor: pageQuery([]).cursor,
    from: reference,
    to: reference,
    toRepository: Type.Optional(Type.String({ maxLength: 255, description: 'Full name of the repository of `to`; the same unless said.' })),
    platform,
  }),
  response: strictObject({
    from: compared,
    to: compared,
    layers: Type.Array(strictObject({ digest: text, sizeBytes: Type.Integer(), in: Type.Enum(['both', 'from', 'to']) })),
    config: Type.Array(
      strictObject({
        field: Type.String({ examples: ['env'] }),
        name: Type.Optional(Type.String({ description: 'Of what is one of several.', examples: ['PATH'] })),
        from: optionalText,
        to: optionalText,
      }),
    ),
    configProblems: Type.Array(text, { description: 'Why a config could not be read; it is taken for an empty one.' }),
    files: strictObject({
      added: Type.Integer(),
      removed: Type.Integer(),
      changed: Type.Integer(),
      isTruncated: Type.Boolean({ description: 'There are more than are told one by one.' }),
      items: Type.Array(
        strictObject({
          path: text,
          change: Type.Enum(['added', 'removed', 'changed']),
          type: Type.Enum(['file', 'directory', 'symlink', 'hardlink', 'character-device', 'block-device', 'fifo', 'other']),
          fromSizeBytes: Type.Optional(Type.Integer()),
          toSizeBytes: Type.Optional(Type.Integer()),
          aspects: Type.Array(Type.Enum(['type', 'content', 'mode', 'owner', 'target']), { description: 'In what a changed one differs.' }),
        }),
      ),
    }),
    packages: Type.Array(
      strictObject({ name: text, type: Type.String({ description: '`deb` or `apk`.' }), from: optionalText, to: optionalText }),
    ),
    unreadPackages: Type.Array(strictObject({ path: text, reason: text }), {
      description: 'Databases of packages that are in an image and were not read.',
    }),
    unreadable,
    next: Type.Optional(text),
  }),
})

export const exportImage = defineRoute({
  method: 'GET',
  path: '/repositories/{repository}/manifests/{reference}/archive',
  tag: 'images',
  summary:
    'Get an image as one archive, for `docker load`, `podman load`, `skopeo copy oci-archive:…`, or another registry. It counts as a pull.',
  demand: perImage,
  params: oneImage,
  query: strictObject({
    format: Type.Optional(
      Type.Enum(['docker', 'oci'], {
        description:
          '`docker` unless said: one image, for `docker load`. `oci`: an image layout, of all platforms unless one is said; any artifact.',
      }),
    ),
    platform,
  }),
  produces: ['application/x-tar'],
})

export const importImages = defineRoute({
  method: 'POST',
  path: '/repositories/{repository}/import',
  tag: 'images',
  summary: 'Take an archive of images, as `docker save` or an OCI image layout in a tar has it, as if each had been pushed.',
  demand: { permission: 'repository:push', on: 'repository' },
  alsoNeeds:
    '`repository:create` where the repository is not there yet, `tag:create` for tags that it makes, `tag:update` for tags that it moves',
  params: strictObject(inRepository),
  query: strictObject({
    tag: Type.Optional(
      Type.String({
        maxLength: 128,
        description: 'For the one image of the archive. Unless said, each image gets the tags of its own names.',
      }),
    ),
  }),
  consumes: [
    'application/x-tar',
    'application/tar',
    'application/gzip',
    'application/x-gzip',
    'application/zstd',
    'application/octet-stream',
  ],
  status: 201,
  response: strictObject({
    images: Type.Array(
      strictObject({
        digest: text,
        mediaType: text,
        tags: Type.Array(text),
        missingPlatforms: Type.Array(text, {
          description:
            'What the archive lists and does not have, where it is of an image for many platforms: the one that it has was taken.',
        }),
      }),
    ),
  }),
})

/** In the order of the documentation. */
export const imageContracts: readonly RouteContract[] = [listImageFiles, readImageFile, compareImages, exportImage, importImages]
