/** The tree against the schema: typed values, and everything that is wrong or without effect. */
import type { KeyStatus } from './key.ts'
import type { Listener } from './environment.ts'
import { describeFound, isEmpty, isNull, rawMap, type RawMap, type RawValue } from './raw-value.ts'
import {
  childNames,
  childPath,
  choices,
  isOwn,
  keys,
  objectStores,
  sections,
  statusOf,
  storageCompanions,
  typedKeys,
  type KeyPath,
  type ValueAt,
} from './schema.ts'
import { nearest } from './suggest.ts'

/** What was given, by key; what was not falls back to the default. */
export interface Values {
  get<Path extends KeyPath>(path: Path): ValueAt<Path>
  /** Where the key was given: "line 12", a variable; undefined for a default. */
  origin(path: string): string | undefined
  /** Whether the section or key stands there, empty or not. */
  has(path: string): boolean
  /** The children of `storage` or `auth` that are drivers or kinds. */
  readonly chosen: Readonly<Record<'storage' | 'auth', readonly string[]>>
}

interface Walk extends Listener {
  readonly values: Map<string, { readonly value: unknown; readonly origin: string }>
  readonly present: Map<string, string>
}

/** Every value of the tree, checked by itself. Rules that span keys are build-config.ts's. */
export function validate(tree: RawMap, listener: Listener): Values {
  const walk: Walk = { ...listener, values: new Map(), present: new Map() }
  expandChoices(tree, listener)
  walkSection('', tree, walk)
  const storage = childrenOf(tree, 'storage').filter((name) => !storageCompanions.has(name))
  return {
    get: <Path extends KeyPath>(path: Path) => (walk.values.get(path)?.value ?? typedKeys[path].default) as ValueAt<Path>,
    origin: (path) => walk.present.get(path),
    has: (path) => walk.present.has(path),
    chosen: { storage, auth: childrenOf(tree, 'auth') },
  }
}

/** `auth: htpasswd` and `storage: inmemory` become maps. */
function expandChoices(tree: RawMap, { problem }: Listener): void {
  for (const name of choices) {
    const raw = tree.entries.get(name)
    if (raw === undefined || raw.kind === 'map') continue
    if (raw.kind === 'scalar' && !isNull(raw) && raw.text !== '')
      tree.entries.set(name, rawMap(raw.origin, [[raw.text.toLowerCase(), rawMap(raw.origin)]]))
    else tree.entries.delete(name)
    if (raw.kind === 'list' || (raw.text === '' && !isNull(raw)))
      problem({ path: name, expected: `one of ${childNames(name).join(', ')}`, found: describeFound(raw, false), origin: raw.origin })
  }
}

function childrenOf(tree: RawMap, name: string): readonly string[] {
  const raw = tree.entries.get(name)
  return raw?.kind === 'map' ? [...raw.entries.keys()] : []
}

function walkSection(section: string, map: RawMap, walk: Walk): void {
  for (const [name, raw] of map.entries) {
    const path = childPath(section, name)
    // A dot in a name is no path.
    if (name.includes('.')) unknownKey(section, name, raw, walk)
    else if (keys.has(path)) walkKey(path, raw, walk)
    else if (sections.has(path)) walkChild(path, raw, walk)
    else unknownKey(section, name, raw, walk)
  }
}

function walkChild(path: string, raw: RawValue, walk: Walk): void {
  const status = sections.get(path)?.status
  if (status === 'refused') return refuse(path, sections.get(path)?.doc ?? '', raw, walk)
  if (raw.kind !== 'map' && !isNull(raw)) {
    return walk.problem({ path, expected: 'a map of keys', found: describeFound(raw, isSecret(path)), origin: raw.origin })
  }
  walk.present.set(path, raw.origin)
  if (status === 'ignored' && !isEmpty(raw)) walk.warn(`${path}: without effect: ${sections.get(path)?.doc} (${raw.origin})`)
  if (raw.kind === 'map') walkSection(path, raw, walk)
}

function isSecret(section: string): boolean {
  return [...keys].some(([path, key]) => key.secret === true && path.startsWith(`${section}.`))
}

function walkKey(path: string, raw: RawValue, walk: Walk): void {
  const key = keys.get(path)
  if (key === undefined || isNull(raw)) return
  const status = statusOf(path)
  if (status === 'refused' && !isEmpty(raw)) return refuse(path, key.doc, raw, walk)
  const warn = status === 'ignored' ? () => undefined : walk.warn
  const value = key.type.parse(raw, { path, secret: key.secret === true, problem: walk.problem, warn })
  walk.present.set(path, raw.origin)
  if (value !== undefined) walk.values.set(path, { value, origin: raw.origin })
  if (isIgnoredByItself(path, status)) walk.warn(`${path}: without effect: ${key.doc} (${raw.origin})`)
}

/** A key of an ignored section is spoken for by its section. */
function isIgnoredByItself(path: string, status: KeyStatus): boolean {
  return status === 'ignored' && keys.get(path)?.status === 'ignored' && !hasIgnoredSection(path)
}

function hasIgnoredSection(path: string): boolean {
  return [...sections].some(([section, { status }]) => status === 'ignored' && path.startsWith(`${section}.`))
}

function refuse(path: string, why: string, raw: RawValue, { problem, present }: Walk): void {
  present.set(path, raw.origin)
  problem({ path, expected: 'no such key', why, origin: raw.origin })
}

function unknownKey(section: string, name: string, raw: RawValue, { problem, warn }: Walk): void {
  const path = childPath(section, name)
  const suggestion = nearest(name, childNames(section))
  if (choices.has(section))
    return problem({ path: section, expected: `one of ${choicesOf(section).join(', ')}`, found: JSON.stringify(name), origin: raw.origin })
  if (isOwn(section)) {
    return problem({
      path,
      expected: suggestion === undefined ? `one of ${childNames(section).join(', ')}` : `a known key, such as ${suggestion}`,
      origin: raw.origin,
    })
  }
  if (hasIgnoredSection(path)) return
  warn(
    `${path}: unknown key, ignored${suggestion === undefined ? '' : `; did you mean ${childPath(section, suggestion)}?`} (${raw.origin})`,
  )
}

/** The drivers or kinds that work here. */
export function choicesOf(section: string): readonly string[] {
  return childNames(section).filter(
    (name) => sections.get(childPath(section, name))?.status !== 'refused' && !objectStores.has(name) && !isCompanion(section, name),
  )
}

function isCompanion(section: string, name: string): boolean {
  return section === 'storage' && storageCompanions.has(name)
}
