/** Questions to the person at the terminal. Without one nothing is asked: a script gets a sentence instead of a program that waits. */
import { openSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { ReadStream } from 'node:tty'
import { CommandFailure, WrongUsage } from './command-failure.ts'

/** Far longer than any password, token or certificate. */
const inputBytesMax = 1024 * 1024

/** For every verb that asks with {@link confirm}. */
export const yesOption = ['-y, --yes', 'do not ask'] as const

/** What is asked before something is lost. Throws when the answer is not yes, or when there is nobody to ask. */
export async function confirm(question: string, flags: { readonly yes?: boolean | undefined }): Promise<void> {
  if (flags.yes === true) return
  requireSomebody(question, flags)
  const reading = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = await reading.question(`${question} [y/N] `)
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandFailure('nothing was done')
  } finally {
    reading.close()
  }
}

/** Throws where nobody could be asked, before anything is looked up for the question. */
export function requireSomebody(question: string, flags: { readonly yes?: boolean | undefined }): void {
  if (flags.yes !== true && !process.stdin.isTTY) throw new WrongUsage(`${question} Nobody is there to confirm: add --yes`)
}

/** A line that is typed; `hidden`: without showing it. */
export async function ask(question: string, { hidden = false }: { readonly hidden?: boolean } = {}): Promise<string> {
  if (!process.stdin.isTTY) throw new WrongUsage(`${question}: nobody is there to ask; --help says how to give it`)
  return await askOf(process.stdin, question, hidden)
}

async function askOf(input: NodeJS.ReadableStream, question: string, hidden: boolean): Promise<string> {
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr
  const reading = createInterface({ input, output, terminal: true })
  try {
    if (hidden) process.stderr.write(`${question}: `)
    const answer = await reading.question(hidden ? '' : `${question}: `)
    if (hidden) process.stderr.write('\n')
    return answer
  } finally {
    reading.close()
  }
}

/** A hidden line from the terminal itself, for standard input may be taken by a file; undefined when there is no terminal. */
export async function promptAtTerminal(question: string): Promise<string | undefined> {
  if (process.stdin.isTTY) return await askOf(process.stdin, question, true)
  // A script's output goes elsewhere: nobody would see the question, and it would wait for ever.
  if (!process.stderr.isTTY) return undefined
  let input: ReadStream
  try {
    input = new ReadStream(openSync('/dev/tty', 'r'))
  } catch {
    return undefined
  }
  try {
    return await askOf(input, question, true)
  } finally {
    input.destroy()
  }
}

/** All of standard input, without the line end that `echo` adds: for secrets, which have no place among arguments. */
export async function readSecretFromInput(input: AsyncIterable<Uint8Array | string> = process.stdin): Promise<string> {
  let text = ''
  for await (const chunk of input) {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8')
    if (text.length > inputBytesMax) throw new CommandFailure('standard input is longer than any secret')
  }
  const secret = text.replace(/\r?\n$/, '')
  if (secret === '') throw new WrongUsage('standard input is empty where a secret is expected')
  return secret
}

/** A new secret: from standard input, or typed twice. */
export async function newSecret(question: string, flags: { readonly passwordStdin?: boolean | undefined }): Promise<string> {
  if (flags.passwordStdin === true) return await readSecretFromInput()
  const first = await ask(question, { hidden: true })
  if ((await ask(`${question} again`, { hidden: true })) !== first) throw new CommandFailure('the two are not the same: nothing was done')
  return first
}
