/** The commands that stand in the documents' examples, as a shell would take them apart. */

const fence = /^```(sh|console)\n([\s\S]*?)^```$/gmu

/** The words of each command, without `berth` itself, in their order. In `console` examples only lines after a `$` are commands. */
export function berthCommands(markdown: string): readonly (readonly string[])[] {
  return commandsOf(markdown).flatMap(([program, ...words]) => (program === 'berth' ? [words] : []))
}

/** The words of all commands, their program's name first. */
export function commandsOf(markdown: string): readonly (readonly string[])[] {
  return [...markdown.matchAll(fence)].flatMap(([, kind, text = '']) => {
    const lines = text.replaceAll(/\\\n\s*/gu, ' ').split('\n')
    const commands = kind === 'sh' ? lines : lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2))
    return commands.flatMap(commandsOfLine)
  })
}

/** One word (quotes taken off, `$(…)` kept as it is), a comment, or what stands between commands. */
const token = /"((?:\$\([^)]*\)|[^"])*)"|'([^']*)'|(#.*)|(\|\||&&|[|;<>])|([^\s"'|;&<>]+)|(\s+)/guy

function commandsOfLine(line: string): readonly (readonly string[])[] {
  const commands: string[][] = [[]]
  let word: string | undefined
  const endWord = () => {
    if (word !== undefined) commands.at(-1)?.push(word)
    word = undefined
  }
  for (const [, double, single, comment, operator, bare] of line.matchAll(token)) {
    const text = double ?? single ?? bare ?? (word === undefined ? undefined : comment)
    if (text !== undefined) {
      word = `${word ?? ''}${text}`
      continue
    }
    endWord()
    if (comment !== undefined) break
    // What follows a redirection is the name of a file.
    if (operator !== undefined) commands.push(operator === '<' || operator === '>' ? ['a file'] : [])
  }
  endWord()
  return commands.map(withoutVariables)
}

function withoutVariables(words: readonly string[]): readonly string[] {
  const first = words.findIndex((each) => !/^[A-Z_]+=/u.test(each))
  return words.slice(first === -1 ? words.length : first)
}
