/** Arguments as other programs take them, said as the commands here understand them. */

/** `help quota set` is `quota set --help`; one verb alone is understood as it is. */
export function rewriteArguments(args: readonly string[]): readonly string[] {
  const [verb, ...rest] = args
  const isHelpOfVerbs = verb === 'help' && rest.length > 1 && rest.every((word) => !word.startsWith('-'))
  if (isHelpOfVerbs) return [...rest, '--help']
  return verb === 'garbage-collect' ? [verb, ...withoutValues(rest)] : args
}

/** registry:2's switches of `garbage-collect`, by letter. */
const switches: Readonly<Record<string, string>> = { d: '--dry-run', m: '--delete-untagged', q: '--quiet' }
const truths = ['1', 't', 'T', 'true', 'TRUE', 'True']
const lies = ['0', 'f', 'F', 'false', 'FALSE', 'False']

/** Switches with the values that Go's flags let them have, such as `-d=true` and `--dry-run=false`, as switches that are there or not; the last of each counts. */
function withoutValues(args: readonly string[]): readonly string[] {
  const kept: string[] = []
  for (const [index, arg] of args.entries()) {
    // Behind it no switches come.
    if (arg === '--') return [...kept, ...args.slice(index)]
    const [names, isOn] = switchesIn(arg)
    const last = names.at(-1)
    if (last === undefined) {
      kept.push(arg)
      continue
    }
    kept.push(...names.slice(0, -1))
    if (isOn) kept.push(last)
    else for (let at = kept.indexOf(last); at !== -1; at = kept.indexOf(last)) kept.splice(at, 1)
  }
  return kept
}

/** The switches of an argument by their long names, and the value of the last: those before it are on. None: it is something else. */
function switchesIn(arg: string): readonly [names: readonly string[], isOn: boolean] {
  const [, long, letters, value] = /^(?:(--[a-z-]+)|-([dmq]+))(?:=(.*))?$/s.exec(arg) ?? []
  const names = long === undefined ? Array.from(letters ?? '', (letter) => switches[letter] ?? letter) : [long]
  const isKnown = names.every((name) => Object.values(switches).includes(name))
  const isOn = value === undefined || truths.includes(value)
  return isKnown && (isOn || lies.includes(value)) ? [names, isOn] : [[], false]
}
