/**
 * `REGISTRY_A_B_C=value` → key `a.b.c` of the tree, by the rules of registry:2's parser: names in any case, values are YAML, applied in lexical
 * order of their names, list entries by index (an index equal to the length appends). A variable replaces what stands there as a whole.
 */
import type { Problem } from './problem.ts'
import { isEmpty, isNull, rawMap, type RawMap, type RawValue } from './raw-value.ts'
import { readYaml } from './read-yaml.ts'
import { childNames, childPath, choices, keys, sections, storageCompanions } from './schema.ts'
import { nearest } from './suggest.ts'

const prefix = 'REGISTRY_'

/** Says where the file is, not what is in it. */
export const configurationPathVariable = 'REGISTRY_CONFIGURATION_PATH'

/** What Kubernetes and docker's links put in the environment of every container beside a service named `registry…`. */
const serviceVariable = /_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?|ENV_\w+|NAME)$/

/** Where reading a configuration reports: a problem stops the start, a warning does not. */
export interface Listener {
  readonly problem: (problem: Problem) => void
  readonly warn: (text: string) => void
}

/** The tree with the variables applied. `tree` is changed. */
export function applyEnvironment(tree: RawMap, environment: Readonly<Record<string, string | undefined>>, listener: Listener): void {
  for (const variable of Object.keys(environment)
    .filter((name) => name.startsWith(prefix))
    .toSorted()) {
    if (variable === configurationPathVariable) continue
    const path = resolve(variable, listener)
    const value = path === undefined ? undefined : readVariable(variable, environment[variable] ?? '', listener)
    if (path !== undefined && value !== undefined) set(tree, path, value, listener)
  }
}

function readVariable(variable: string, text: string, listener: Listener): RawValue | undefined {
  const value = readYaml(text, variable, listener.problem)
  if (variable.toUpperCase() === 'REGISTRY_AUTH' && value !== undefined && isEmpty(value)) {
    // An unset variable of a compose file must not open what the file guards.
    listener.problem({ path: 'auth', expected: 'htpasswd, accounts or none', found: 'an empty variable', origin: variable })
    return undefined
  }
  return value
}

/** The names from the top to the value; undefined when no key is meant. */
function resolve(variable: string, listener: Listener): readonly string[] | undefined {
  const parts = variable.slice(prefix.length).toLowerCase().split('_')
  let path = ''
  for (const [depth, part] of parts.entries()) {
    const child = childPath(path, part)
    if (part === '' || part.includes('.')) return unknown(variable, path, part, listener)
    if (keys.has(child)) return parts
    if (!sections.has(child)) return unknown(variable, path, part, listener)
    path = child
    if (depth === parts.length - 1) return parts
  }
  return undefined
}

function unknown(variable: string, section: string, name: string, { problem, warn }: Listener): undefined {
  const known = childNames(section)
  // A second kind of store or of authentication would replace the one that is meant.
  if (choices.has(section) && !storageCompanions.has(name) && !serviceVariable.test(variable)) {
    problem({ path: section, expected: `one of ${known.join(', ')}`, found: JSON.stringify(name), origin: variable })
    return
  }
  const suggestion = nearest(name, known)
  const hint =
    suggestion === undefined ? '' : `; did you mean ${prefix}${childPath(section, suggestion).replaceAll('.', '_').toUpperCase()}?`
  warn(`${variable}: unknown variable, ignored${hint}`)
}

function set(tree: RawMap, path: readonly string[], value: RawValue, listener: Listener): void {
  let at: RawValue = tree
  for (const [depth, name] of path.entries()) {
    const isLast = depth === path.length - 1
    const next: RawValue | undefined = isLast ? value : container(childOf(at, name), path.slice(0, depth + 1), value.origin)
    if (next === undefined || !put(at, name, next)) {
      const dotted = path.slice(0, depth + 1).join('.')
      const expected = at.kind === 'list' ? `an index from 0 to ${at.items.length}` : 'a map or a list there'
      return listener.problem({
        path: dotted,
        expected,
        found: at.kind === 'list' ? JSON.stringify(name) : 'a value',
        origin: value.origin,
      })
    }
    at = next
  }
}

/** What a deeper name is put into: what stands there, or a fresh map or list where nothing does. */
function container(present: RawValue | undefined, path: readonly string[], origin: string): RawValue | undefined {
  if (present !== undefined && present.kind !== 'scalar') return present
  const dotted = path.join('.')
  if (isNull(present)) return keys.get(dotted)?.type.name.startsWith('list') === true ? { kind: 'list', items: [], origin } : rawMap(origin)
  // `storage: filesystem` is short for a map with that one name.
  return choices.has(dotted) && present !== undefined ? rawMap(present.origin, [[present.text, rawMap(present.origin)]]) : undefined
}

function childOf(at: RawValue, name: string): RawValue | undefined {
  if (at.kind === 'list') return /^\d{1,4}$/.test(name) ? at.items[Number(name)] : undefined
  return at.kind === 'map' ? at.entries.get(presentName(at, name)) : undefined
}

/** False when the name fits nothing: not an index, or one beyond the end. */
function put(at: RawValue, name: string, value: RawValue): boolean {
  if (at.kind === 'map') at.entries.set(presentName(at, name), value)
  if (at.kind !== 'list') return at.kind === 'map'
  const index = /^\d{1,4}$/.test(name) ? Number(name) : Number.POSITIVE_INFINITY
  if (index > at.items.length) return false
  at.items[index] = value
  return true
}

/** The name as the file spells it, or in lower case. */
function presentName(map: RawMap, name: string): string {
  return [...map.entries.keys()].find((key) => key.toLowerCase() === name) ?? name
}
