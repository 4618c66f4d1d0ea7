/**
 * The config of an image (image-spec config.md; Docker's image JSON has the same members): what runs, on what, and how each layer came to be.
 *
 * Nothing depends on what it says; it is shown to people. So what a member should not be is left out, and only a document that is no object, or
 * ambiguous or hostile as JSON, is refused.
 */
import { parseObject, type JsonObject } from './descriptor.ts'
import { parseStrictJson } from './json.ts'

/** What a config says; what it does not say is absent or empty. Plain data: it crosses threads. */
export interface ImageConfig {
  readonly os?: string
  readonly architecture?: string
  readonly variant?: string
  /** As the document has it: RFC 3339 if it keeps to the specification. */
  readonly created?: string
  readonly author?: string
  readonly user?: string
  readonly workingDir?: string
  readonly stopSignal?: string
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly env: readonly string[]
  readonly ports: readonly string[]
  readonly volumes: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** The steps, oldest first. */
  readonly history: readonly HistoryEntry[]
}

/** One step of the making of an image. */
export interface HistoryEntry {
  readonly created?: string
  readonly createdBy?: string
  readonly comment?: string
  readonly author?: string
  /** It made no layer. */
  readonly isEmptyLayer: boolean
}

/** Entries of any list of a config; more are left out. */
export const configEntriesMax = 1_000

/** Reads a config; throws `MANIFEST_INVALID` with the reason as detail for what is not to be read. */
export function parseImageConfig(bytes: Uint8Array): ImageConfig {
  const body = parseObject(parseStrictJson(bytes), 'the config')
  const config = objectOr(body['config'])
  return {
    ...textsOf(body, { os: 'os', architecture: 'architecture', variant: 'variant', created: 'created', author: 'author' }),
    ...textsOf(config, { User: 'user', WorkingDir: 'workingDir', StopSignal: 'stopSignal' }),
    entrypoint: textList(config['Entrypoint']),
    cmd: textList(config['Cmd']),
    env: textList(config['Env']),
    ports: namesOf(config['ExposedPorts']),
    volumes: namesOf(config['Volumes']),
    labels: textMap(config['Labels']),
    history: listOf(body['history']).map(historyEntry),
  }
}

/** For each of the layers the step that made it, as far as the history tells: steps that made none are passed over. */
export function historyByLayer(history: readonly HistoryEntry[], layerCount: number): readonly (HistoryEntry | undefined)[] {
  const makers = history.filter((entry) => !entry.isEmptyLayer)
  // One that has lost or gained entries says nothing about any layer.
  return Array.from({ length: layerCount }, (_, index) => (makers.length === layerCount ? makers[index] : undefined))
}

function historyEntry(value: unknown): HistoryEntry {
  const entry = objectOr(value)
  const texts = textsOf(entry, { created: 'created', created_by: 'createdBy', comment: 'comment', author: 'author' })
  return { ...texts, isEmptyLayer: entry['empty_layer'] === true }
}

function objectOr(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {}
}

/** Those of the members that are texts and not empty, under our names. */
function textsOf<Name extends string>(from: JsonObject, names: Readonly<Record<string, Name>>): { readonly [Key in Name]?: string } {
  const found: { [Key in Name]?: string } = {}
  for (const [member, name] of Object.entries(names)) {
    const value = from[member]
    if (typeof value === 'string' && value !== '') found[name] = value
  }
  return found
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]).slice(0, configEntriesMax) : []
}

function textList(value: unknown): readonly string[] {
  // Docker's oldest configs have a single text where a list belongs.
  return listOf(typeof value === 'string' ? [value] : value).filter((each) => typeof each === 'string')
}

function namesOf(value: unknown): readonly string[] {
  return Object.keys(objectOr(value)).slice(0, configEntriesMax)
}

function textMap(value: unknown): Readonly<Record<string, string>> {
  const texts = Object.entries(objectOr(value)).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  // `__proto__` is a name like any other: it must become a member.
  return Object.fromEntries(texts.slice(0, configEntriesMax))
}
