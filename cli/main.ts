/**
 * The command line. The launcher (bin/berth.mjs) calls {@link main} on a Node that is new enough; `npm run docs` runs this file itself.
 *
 * One file per verb, each exporting `registerVerb(program)`; program.ts lists them. A verb throws what it cannot go on from, and the last lines here
 * turn that into a sentence and an exit status. What a verb needs of the server it imports when it runs, so that `berth --version` loads little.
 */
import { createProgram } from './program.ts'
import { describeFailure } from './failure.ts'

/** Runs the verb and ends the process. */
export async function main(args: readonly string[]): Promise<never> {
  try {
    const program = await createProgram(withVerb(args)[0])
    await program.parseAsync(withVerb(args), { from: 'user' })
  } catch (error) {
    process.exitCode = 1
    process.stderr.write(`${describeFailure(error)}\n`)
  }
  process.exit()
}

/** As the entry point of registry:2's image: a configuration file without a verb is served. */
export function withVerb(args: readonly string[]): readonly string[] {
  return /\.ya?ml$/.test(args[0] ?? '') ? ['serve', ...args] : args
}

if (import.meta.main) await main(process.argv.slice(2))
