/**
 * YAML text → {@link RawValue}. YAML 1.1 with merge keys, as registry:2's parser reads it (`yes` is true).
 * Aliases are expanded under a budget, so that a few lines cannot fill the memory; a key that stands twice is a problem, with its line.
 */
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type YAMLMap } from 'yaml'
import type { Problem } from './problem.ts'
import { rawMap, type RawMap, type RawValue } from './raw-value.ts'

/** Far above any real configuration. */
const maxTextLength = 256 * 1024
const maxValues = 20_000
const maxDepth = 32
const maxAliases = 200
/** A file that is not YAML at all would give a problem for each of its lines. */
const maxSyntaxProblems = 20

/** Where a value stands, for {@link Problem.origin}, from its offset in the text. */
type OriginOf = (offset: number) => string

interface Expansion {
  readonly document: Document
  readonly originOf: OriginOf
  values: number
  aliases: number
}

class TooLarge extends Error {}

/** The tree of the text, or undefined after having reported why there is none. `origin` names a variable; a file's values name their lines. */
export function readYaml(text: string, origin: string | undefined, report: (problem: Problem) => void): RawValue | undefined {
  const place = origin === undefined ? {} : { origin }
  if (text.length > maxTextLength) {
    report({ path: '', expected: 'a configuration of at most 256 KiB', ...place })
    return undefined
  }
  try {
    return parse(text, origin, report)
  } catch (error) {
    // The library parses by recursion: a text of nothing but brackets ends its stack.
    const fault = error instanceof TooLarge ? error.message : error instanceof RangeError ? 'deeper nesting' : undefined
    if (fault === undefined) throw error
    report({ path: '', expected: `at most ${maxValues} values, ${maxDepth} levels deep, ${maxAliases} aliases`, found: fault, ...place })
    return undefined
  }
}

function parse(text: string, origin: string | undefined, report: (problem: Problem) => void): RawValue | undefined {
  const lines = new LineCounter()
  const originOf: OriginOf = (offset) => origin ?? `line ${lines.linePos(offset).line}`
  // Pretty errors would quote the lines around the fault, and with them secrets.
  const document = parseDocument(text, { version: '1.1', merge: true, lineCounter: lines, prettyErrors: false, uniqueKeys: true })
  // One problem a line: the faults after the first of a line are mostly its echo.
  const firstOfLine = new Map(document.errors.map((error) => [originOf(error.pos[0]), error] as const).toReversed())
  for (const [place, error] of [...firstOfLine].toReversed().slice(0, maxSyntaxProblems)) {
    report({ path: '', expected: 'well-formed YAML', found: syntaxFault(error.code, text.slice(error.pos[0])), origin: place })
  }
  if (document.errors.length > 0) return undefined
  return toRaw(document.contents, { document, originOf, values: 0, aliases: 0 }, 0)
}

/** The library's messages quote the text; its codes do not. `rest` is the text from the fault on; only the name of a key is taken from it. */
function syntaxFault(code: string, rest: string): string {
  if (code === 'DUPLICATE_KEY') return `the key ${/^["']?([\w.-]{1,60})/.exec(rest)?.[1] ?? ''} a second time`
  const known: Readonly<Record<string, string>> = {
    TAB_AS_INDENT: 'a tab used as indentation',
    BAD_INDENT: 'a wrong indentation',
    MULTIPLE_DOCS: 'more than one document',
    MISSING_CHAR: 'a missing quote, bracket or comma',
    BAD_ALIAS: 'an alias without its anchor',
  }
  return known[code] ?? code.toLowerCase().replaceAll('_', ' ')
}

function toRaw(node: unknown, expansion: Expansion, depth: number): RawValue {
  expansion.values += 1
  if (expansion.values > maxValues) throw new TooLarge('more values (an alias counts with all it stands for)')
  if (depth > maxDepth) throw new TooLarge('deeper nesting')
  if (isAlias(node)) return toRaw(target(node, expansion), expansion, depth + 1)
  if (isMap(node)) return mapToRaw(node, expansion, depth)
  const origin = expansion.originOf((node as Node | null)?.range?.[0] ?? 0)
  if (isSeq(node)) return { kind: 'list', items: node.items.map((item) => toRaw(item, expansion, depth + 1)), origin }
  return isScalar(node)
    ? { kind: 'scalar', value: node.value, text: node.source ?? '', origin }
    : { kind: 'scalar', value: null, text: '', origin }
}

function target(alias: Alias, expansion: Expansion): Node {
  expansion.aliases += 1
  const node = expansion.aliases > maxAliases ? undefined : alias.resolve(expansion.document)
  if (node === undefined) throw new TooLarge('more aliases, or one without its anchor')
  return node
}

function mapToRaw(node: YAMLMap, expansion: Expansion, depth: number): RawMap {
  const map = rawMap(expansion.originOf(node.range?.[0] ?? 0))
  const merged: RawMap[] = []
  for (const pair of node.items) {
    const value = toRaw(pair.value, expansion, depth + 1)
    const key = isScalar(pair.key) ? (pair.key.source ?? '') : '?'
    if (key === '<<') merged.push(...(value.kind === 'list' ? value.items : [value]).filter((item) => item.kind === 'map'))
    else map.entries.set(key, value)
  }
  for (const source of merged) {
    for (const [key, value] of source.entries) if (!map.entries.has(key)) map.entries.set(key, value)
  }
  return map
}
