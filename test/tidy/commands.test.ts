import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Command } from 'commander'
import { createProgram } from '../../cli/program.ts'
import { berthCommands } from '../support/guide-commands.ts'

const checkout = join(import.meta.dirname, '../..')
const documents = globSync(['*.md', 'docs/guides/*.md', 'docs/decisions/*.md'], { cwd: checkout })

/** The program with nothing behind its verbs. */
async function emptyProgram(): Promise<Command> {
  const program = await createProgram()
  const empty = (command: Command) => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
    if (command.commands.length === 0) command.action(() => {})
    for (const each of command.commands) empty(each)
  }
  empty(program)
  return program
}

test('a shell’s words are taken apart as the shell does', () => {
  const text = [
    '```console',
    '$ printf %s "$A" | berth a --b \'c d\' --e="$(cat f.json)" \\',
    '    g # berth h',
    'berth i',
    '$ X=1 berth j > k && berth l',
    '$ echo berth',
    '```',
  ].join('\n')
  assert.deepEqual(berthCommands(text), [['a', '--b', 'c d', '--e=$(cat f.json)', 'g'], ['j'], ['l']])
})

for (const document of documents) {
  const commands = berthCommands(readFileSync(join(checkout, document), 'utf8'))
  if (commands.length === 0) continue
  test(`every berth command of ${document} is one, with arguments and options that it takes`, async () => {
    for (const words of commands) {
      const program = await emptyProgram()
      await program.parseAsync(words, { from: 'user' }).catch((error: unknown) => {
        throw new Error(`berth ${words.join(' ')}: ${(error as Error).message}`)
      })
    }
  })
}
