/** The keys of `storage`. */
import { acts, inert, optional, type Section } from './key.ts'
import { boolean, duration, integer, longestTimerMs, size, text, anything } from './value-types.ts'

const hourMs = 3_600_000

/** Every map that the keys of this file stand in, by dotted path, those that Berth ignores or refuses included. */
export const storageSections = {
  storage: { doc: 'Where the bytes are. Exactly one driver; a bare word (`storage: inmemory`) is a driver without parameters.' },
  'storage.filesystem': { doc: 'The driver for a directory.' },
  'storage.inmemory': { doc: 'The driver for memory, for trials: all is lost at the end.' },
  'storage.swift': { doc: 'OpenStack Swift is not available: use storage.filesystem', status: 'refused' },
  'storage.oss': { doc: 'Alibaba OSS is not available: use storage.filesystem', status: 'refused' },
  'storage.delete': { doc: 'Deleting.' },
  'storage.trash': { doc: 'What is deleted, and can be restored for a while.', own: true },
  'storage.cache': { doc: 'descriptors are rows of the database and need no cache', status: 'ignored' },
  'storage.tag': { doc: 'tags are rows of the database, there are no links to read', status: 'ignored' },
  'storage.maintenance': { doc: 'Upkeep.' },
  'storage.maintenance.uploadpurging': {
    doc: 'Abandoned uploads. When the section stands there, all of its keys must, unless it is switched off.',
  },
  'storage.maintenance.readonly': { doc: 'Read-only operation.' },
} as const satisfies Record<string, Section>

const storageKeys = {
  'storage.filesystem.rootdirectory': optional(
    text,
    'The data directory. One that registry:2 wrote is taken over in place. Relative to the working directory.',
    {
      defaultText: '`/var/lib/registry`; `./data` without a file',
    },
  ),
  'storage.filesystem.maxthreads': inert('ignored', text, 'Berth bounds its file operations by itself'),
  'storage.delete.enabled': optional(
    boolean,
    'Whether tags, manifests, blobs and repositories may be deleted; otherwise DELETE answers 405.',
    {
      defaultText: '`false`; `true` without a file',
    },
  ),
  'storage.maintenance.uploadpurging.enabled': acts(boolean, true, 'Whether abandoned uploads are removed.'),
  'storage.maintenance.uploadpurging.age': acts(duration(), 168 * hourMs, 'How long after its last byte an upload counts as abandoned.'),
  'storage.maintenance.uploadpurging.interval': acts(
    duration({ minimumMs: 1000, maximumMs: longestTimerMs }),
    24 * hourMs,
    'How often Berth looks.',
  ),
  'storage.maintenance.uploadpurging.dryrun': acts(boolean, false, 'Log what would be removed, remove nothing.'),
  'storage.maintenance.readonly.enabled': acts(boolean, false, 'Refuse every push and delete with 405.'),
  'storage.minfreespace': acts(
    size(),
    64 * 1024 ** 2,
    'Berth’s own. Below this much free space new uploads are refused with 507, below a quarter of it those under way too; pulls and deletes go on.',
  ),
  'storage.garbagedelay': acts(
    duration(),
    24 * hourMs,
    'Berth’s own. How long an unreferenced blob is safe after the last answer that let a client rely on it. Keep it above the longest push.',
  ),
  'storage.readersdelay': acts(
    duration(),
    hourMs,
    'Berth’s own. How long the bytes of a deleted blob stay for pulls that are reading them. Keep it above the longest pull; on a local disk a file that is open can be read to its end, and `0` is safe.',
  ),
  'storage.trash.window': acts(
    duration({ needsUnit: true }),
    168 * hourMs,
    'How long deleted tags, manifests, repositories and projects can be restored. Their bytes are kept that long. `0`: there is no trash, and everything goes at once.',
  ),
}

/** Keys of registry:2 and registry:3 below `storage` without effect here, or refused with their driver. */
const foreignStorageKeys = {
  'storage.cache.blobdescriptor': inert('ignored', text, '`inmemory` or `redis`.'),
  'storage.cache.layerinfo': inert('ignored', text, 'Older name of `blobdescriptor`.'),
  'storage.cache.blobdescriptorsize': inert('ignored', integer(), 'Entries of the memory cache.'),
  'storage.tag.concurrencylimit': inert('ignored', integer(), 'Tag links read at once.'),
}

function refusedKeys<const Prefix extends string, const Name extends string>(
  prefix: Prefix,
  names: readonly Name[],
  secrets: readonly Name[] = [],
) {
  const entries = names.map((name) => [`${prefix}.${name}`, inert('refused', anything, '', { secret: secrets.includes(name) })])
  return Object.fromEntries(entries) as Record<`${Prefix}.${Name}`, ReturnType<typeof inert<NonNullable<unknown>>>>
}

const refusedStorageKeys = {
  ...refusedKeys(
    'storage.swift',
    [
      'authurl',
      'username',
      'password',
      'region',
      'container',
      'tenant',
      'tenantid',
      'domain',
      'domainid',
      'tenantdomain',
      'tenantdomainid',
      'trustid',
      'authversion',
      'endpointtype',
      'insecureskipverify',
      'chunksize',
      'prefix',
      'secretkey',
      'accesskey',
      'tempurlcontainerkey',
      'tempurlmethods',
    ],
    ['password', 'secretkey', 'accesskey'],
  ),
  ...refusedKeys(
    'storage.oss',
    [
      'accesskeyid',
      'accesskeysecret',
      'region',
      'endpoint',
      'internal',
      'bucket',
      'encrypt',
      'encryptionkeyid',
      'secure',
      'chunksize',
      'rootdirectory',
    ],
    ['accesskeyid', 'accesskeysecret'],
  ),
}

/** Every key of `storage`. */
export const allStorageKeys = { ...storageKeys, ...foreignStorageKeys, ...refusedStorageKeys }
