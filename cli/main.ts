/**
 * The command line. The launcher (bin/berth.mjs) calls {@link main} on a Node that is new enough; `npm run docs` runs this file itself.
 *
 * One file per verb, each exporting `registerVerb(program)`; program.ts lists them. A verb throws what it cannot go on from, and the last lines here
 * turn that into a sentence (with `--json` a line of JSON) and an exit status. What a verb needs of the server it imports when it runs, so that `berth --version` loads little.
 */
import { CommanderError, InvalidArgumentError, type Command } from 'commander'
import { exitStatusOf, failureAsJson } from './exit-status.ts'
import { createProgram } from './program.ts'
import { describeFailure } from './failure.ts'
import { flushed, watchOutput } from './flushed.ts'
import { rewriteArguments } from './rewrite-arguments.ts'

/** Runs the verb and ends the process when its output is read. */
export async function main(args: readonly string[]): Promise<never> {
  const words = rewriteArguments(withVerb(args))
  const [verb] = words
  // A registry ends when it is told to, whether its log is read or not.
  const outputs = verb === 'serve' ? [] : [process.stdout, process.stderr]
  for (const output of outputs) watchOutput(output)
  const isJson = words.includes('--json')
  const isDone = await reported(isJson, async () => {
    const program = await createProgram(verb)
    if (isJson) silenceErrors(program)
    await program.parseAsync(words, { from: 'user' })
  })
  for (const output of outputs) await (isDone ? reported(isJson, () => flushed(output)) : flushed(output).catch(() => false))
  process.exit()
}

async function reported(isJson: boolean, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run()
    return true
  } catch (error) {
    const status = exitStatusOf(error)
    if (status === 0) return true
    process.exitCode = status
    if (isJson) process.stderr.write(`${failureAsJson(error)}\n`)
    // The parser has said what is wrong with the command line; what an action found in its words nobody has.
    else if (!(error instanceof CommanderError) || error instanceof InvalidArgumentError)
      process.stderr.write(`${describeFailure(error)}\n`)
    return false
  }
}

/** Programs get one line of JSON, and not what the parser says to people besides. */
function silenceErrors(command: Command): void {
  command.configureOutput({ outputError: () => {}, writeErr: () => {} })
  for (const each of command.commands) silenceErrors(each)
}

/** As the entry point of registry:2's image: a configuration file without a verb is served. */
export function withVerb(args: readonly string[]): readonly string[] {
  return /\.ya?ml$/.test(args[0] ?? '') ? ['serve', ...args] : args
}

if (import.meta.main) await main(process.argv.slice(2))
