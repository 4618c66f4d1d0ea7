/** The keys of `storage` about more than one store: other stores by name, tiers, and a cache before an object store. */
import { Cron } from 'croner'
import { acts, optional, type Section } from './key.ts'
import { isNull, type RawMap } from './raw-value.ts'
import { boolean, duration, fieldsOf, listOf, size, text, textLike, type ValueType } from './value-types.ts'

const mebibyte = 1024 ** 2

/** How a store may be called. */
export const storeName = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const nameOfStore = textLike('a name of lower-case letters, digits and hyphens', (value) => storeName.test(value))

/** Stores by name, each as it is written: build-stores.ts reads them with the keys of the drivers. */
export interface WrittenStores {
  readonly byName: ReadonlyMap<string, RawMap>
}

const expected = 'a map, each name one of a store, each value a map with one driver and its keys'

const writtenStores: ValueType<WrittenStores> = {
  name: 'map of stores',
  expected,
  show: ({ byName }) => [...byName].map(([name, { entries }]) => `${name}: ${[...entries.keys()].join(', ')}`).join('; '),
  parse(raw, { path, problem }) {
    const byName = new Map<string, RawMap>()
    if (raw.kind !== 'map') {
      if (!isNull(raw)) problem({ path, expected, origin: raw.origin })
      return isNull(raw) ? { byName } : undefined
    }
    let isFine = true
    for (const [name, store] of raw.entries) {
      const fits = storeName.test(name) && store.kind === 'map'
      if (fits) byName.set(name, store)
      else {
        const wanted = storeName.test(name) ? 'a map with one driver and its keys' : 'a name of lower-case letters, digits and hyphens'
        problem({ path: `${path}.${name}`, expected: wanted, origin: store.origin })
        isFine = false
      }
    }
    return isFine ? { byName } : undefined
  },
}

function isSchedule(written: string): boolean {
  if (written === 'off' || /^every [1-9]\d{0,5}[mhd]$/.test(written)) return true
  if (written.length > 100 || written.startsWith('every')) return false
  try {
    return new Cron(written, { mode: '5-part', timezone: 'UTC' }).nextRun() !== null
  } catch {
    return false
  }
}

const projectGlob = textLike(
  'a name of projects, with * for a part of a name and ** for any',
  (value) => /^[a-z0-9*][a-z0-9*._/-]{0,254}$/.test(value) && !value.includes('***'),
)

/** The maps that the keys of this file stand in. */
export const storesSections = {
  'storage.readthrough': {
    doc: 'A directory on this machine, best on an SSD, that keeps what is pulled from object stores.',
    own: true,
  },
  'storage.tiers': { doc: 'Blobs that nobody pulls go to another store, and come back when somebody does.', own: true },
} as const satisfies Record<string, Section>

/** Every key about more than one store. */
export const allStoresKeys = {
  'storage.name': optional(
    nameOfStore,
    'Berth’s own. What the store is called in rows. Needed where another store of the same driver is among `stores`; never changed while blobs are in it.',
    { defaultText: 'its driver: `filesystem`, `s3`, `azure`, `gcs`' },
  ),
  'storage.stores': acts(
    writtenStores,
    { byName: new Map() },
    'Berth’s own. Other stores that have blobs, by name, each a map with one driver and the same keys as here: one that blobs move away from or to (`berth storage migrate`), or the cold one of `tiers`. The name is what stands in rows: a former store keeps the name that it had, which is its driver unless `storage.name` said otherwise.',
    { defaultText: 'none' },
  ),
  'storage.readthrough.directory': optional(
    text,
    'Where the cache is. It belongs to this server alone; each process of `--workers` has a part of it. Relative to the working directory.',
  ),
  'storage.readthrough.size': optional(
    size(64 * mebibyte),
    'Bytes that the cache keeps at most, of all processes on this machine together. What was not pulled for longest goes first.',
  ),
  'storage.readthrough.maximumblob': optional(size(), 'Larger blobs are not kept, and are redirected where redirects are on.', {
    defaultText: 'a quarter of `size`',
  }),
  'storage.readthrough.redirect': acts(
    boolean,
    false,
    'Redirect clients to the object store all the same, where redirects are on: the cache then serves those alone who are not redirected.',
  ),
  'storage.tiers.cold': optional(nameOfStore, 'The cold store: one of `storage.stores`.'),
  'storage.tiers.rules': acts(
    listOf(
      fieldsOf({ notpulledfor: duration({ minimumMs: 60_000, needsUnit: true }) }, { minimumsize: size(), projects: listOf(projectGlob) }),
    ),
    [],
    'What goes to the cold store: blobs that no manifest pulled within `notpulledfor` needs, from `minimumsize` on (128KiB), and only those of `projects`, where that is given, with all that have them. One rule suffices.',
    { defaultText: '`[]`' },
  ),
  'storage.tiers.schedule': acts(
    textLike('a cron expression such as "30 1 * * *", "every 1d" or off', isSchedule),
    '30 1 * * *',
    'When blobs go to the cold store, in UTC. `off`: never by itself.',
  ),
  'storage.tiers.return': acts(boolean, true, 'Whether a blob that is pulled from the cold store is copied back.'),
  'storage.tiers.rate': acts(size(), 50 * mebibyte, 'Bytes a second that are copied between stores on average. `0`: as fast as it goes.'),
}
