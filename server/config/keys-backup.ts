/** The keys of `backup`: where backups go, by which key, when, and how many stay. */
import { Cron } from 'croner'
import { acts, optional, type Section } from './key.ts'
import { isNull, type RawMap } from './raw-value.ts'
import { parseSecretKey, splitSecretKeys } from './keys-access.ts'
import { boolean, integer, text, textLike, type ValueType } from './value-types.ts'

/** The maps that the keys of this file stand in. */
export const backupSections = {
  backup: { doc: 'Berth’s own. Backups of all rows and blobs, and the journal that a lost database is rebuilt from.', own: true },
  'backup.keep': { doc: 'Which backups prune leaves; all zero: every one.', own: true },
} as const satisfies Record<string, Section>

/** A store as it is written: build-backup.ts reads it with the keys of its driver. */
interface WrittenPlace {
  readonly written: RawMap
}

const expected = 'a map with one driver (filesystem, s3, azure or gcs) and its keys'

const writtenPlace: ValueType<WrittenPlace> = {
  name: 'map with a driver',
  expected,
  show: ({ written }) => [...written.entries.keys()].join(', '),
  parse(raw, { path, problem }) {
    if (raw.kind === 'map') return { written: raw }
    if (!isNull(raw)) problem({ path, expected, origin: raw.origin })
    return undefined
  },
}

function isTime(written: string): boolean {
  if (written === 'off' || /^every [1-9]\d{0,5}[mhd]$/.test(written)) return true
  if (written.length > 100 || written.startsWith('every')) return false
  try {
    return new Cron(written, { mode: '5-part', timezone: 'UTC' }).nextRun() !== null
  } catch {
    return false
  }
}

const keysText = textLike('32 bytes in base64, or several such keys', (value) => {
  const words = splitSecretKeys(value)
  return words.length > 0 && words.every((word) => parseSecretKey(word) !== undefined)
})

/** Every key of `backup`. */
export const allBackupKeys = {
  'backup.store': optional(
    writtenPlace,
    'Where backups go: a map with one driver and the same keys as below `storage`, such as `{filesystem: {rootdirectory: /backup}}` or `{s3: {bucket: backups, …}}`. A place apart from the one that it is a backup of.',
  ),
  'backup.keyfile': optional(
    text,
    'File with 32 bytes in base64, one key a line: backups are encrypted, by the first key, and read by all. Berth does not make it: `openssl rand -base64 32`. Without it nobody reads the backups. Relative to the working directory.',
  ),
  'backup.key': optional(keysText, 'The same in place of a file.', { secret: true }),
  'backup.includekey': acts(
    boolean,
    false,
    'Whether an encrypted backup has the keys of `secrets.keyfile`, too. Without them what is sealed in rows (secrets of providers, one-time codes, keys of tokens) stays sealed, and that file must be kept elsewhere.',
  ),
  'backup.schedule': acts(
    textLike('a cron expression such as "0 2 * * *", "every 1d" or off', isTime),
    '0 2 * * *',
    'When a backup is made by itself, in UTC, where `store` is given; those that are not kept go after it. `off`: never.',
  ),
  'backup.keep.last': acts(integer(0, 10_000), 3, 'So many of the last ones stay.'),
  'backup.keep.daily': acts(integer(0, 10_000), 7, 'The last one of each of so many days stays.'),
  'backup.keep.weekly': acts(integer(0, 10_000), 4, 'The last one of each of so many weeks.'),
  'backup.keep.monthly': acts(integer(0, 10_000), 6, 'The last one of each of so many months.'),
  'backup.journal': acts(
    boolean,
    true,
    'Whether manifests and tags are written to the store of the blobs as well, at most ten seconds late, from which `berth recover` makes a database where the one that was is lost.',
  ),
}
