/** A verb run in this process, for the tests of those that talk to a server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { mock } from 'node:test'
import { createProgram } from './program.ts'
import { rewriteArguments } from './rewrite-arguments.ts'

/** What a verb printed. */
export interface Printed {
  readonly lines: readonly string[]
  readonly errors: readonly string[]
}

const ours = ['BERTH_SERVER', 'BERTH_TOKEN', 'BERTH_USER', 'XDG_CONFIG_HOME']

/**
 * Runs the verb with these variables and no others of Berth's, with this standard input (no terminal), and with logins of its own unless XDG_CONFIG_HOME is
 * among them. Throws what the verb
 * throws. One at a time: the environment and the console are the process's.
 */
export async function runVerb(args: readonly string[], environment: Readonly<Record<string, string>> = {}, input = ''): Promise<Printed> {
  const directory = await mkdtemp(join(tmpdir(), 'berth-verb-'))
  const before = Object.fromEntries(ours.map((name) => [name, process.env[name]]))
  const lines: string[] = []
  const errors: string[] = []
  const stdin = Object.getOwnPropertyDescriptor(process, 'stdin')
  const mocks = [
    mock.method(console, 'log', (text: string) => void lines.push(text)),
    mock.method(console, 'error', (text: string) => void errors.push(text)),
  ]
  try {
    setVariables({ ...Object.fromEntries(ours.map((name) => [name, undefined])), XDG_CONFIG_HOME: directory, ...environment })
    Object.defineProperty(process, 'stdin', { value: Readable.from([input]), configurable: true })
    const words = rewriteArguments(args)
    const program = await createProgram(words[0])
    await program.exitOverride().parseAsync(words, { from: 'user' })
    return { lines, errors }
  } finally {
    setVariables(before)
    if (stdin !== undefined) Object.defineProperty(process, 'stdin', stdin)
    for (const each of mocks) each.mock.restore()
    await rm(directory, { recursive: true })
  }
}

function setVariables(variables: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(variables)) {
    if (value === undefined) Reflect.deleteProperty(process.env, name)
    else process.env[name] = value
  }
}
