/** `berth doctor`: is all well with what a registry stands on; and what to do where it is not. */
import type { Command } from 'commander'
import { readSystemDoctor } from '#api/routes/system.ts'
import { ConfigError, formatProblem } from '#config/problem.ts'
import { examineInstallation } from '#main.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { CommandFailure } from './command-failure.ts'
import { loadSource } from './data-command.ts'
import { printable, printJson } from './print.ts'

type Diagnosis = Awaited<ReturnType<typeof examineInstallation>>[number]

const marks: Readonly<Record<Diagnosis['verdict'], string>> = { ok: 'ok', warning: 'WARNING', problem: 'PROBLEM' }

async function runDoctor(source: string | undefined, flags: ApiFlags): Promise<void> {
  if (source !== undefined && flags.server !== undefined)
    throw new CommandFailure('--server is for a server: leave the configuration or directory out')
  if (flags.server === undefined) {
    const diagnoses = await examineHere(source)
    if (flags.json === true) printJson({ diagnoses })
    else printDiagnoses(diagnoses)
    judge(diagnoses)
    return
  }
  await withClient(flags, async ({ client, print }) => {
    const found = await client.call(readSystemDoctor)
    print(found, () => printDiagnoses(found.diagnoses))
    judge(found.diagnoses)
  })
}

/** A configuration with problems is one finding each, and nothing else can be looked at. */
async function examineHere(source: string | undefined): Promise<Diagnosis[]> {
  try {
    return await examineInstallation(await loadSource(source))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return [
      ...error.warnings.map((message): Diagnosis => ({ check: 'configuration', verdict: 'warning', message })),
      ...error.problems.map((each): Diagnosis => ({ check: 'configuration', verdict: 'problem', message: formatProblem(each) })),
    ]
  }
}

function printDiagnoses(diagnoses: readonly Diagnosis[]): void {
  const width = Math.max(...diagnoses.map(({ check }) => check.length))
  for (const { check, verdict, message } of diagnoses)
    console.log(`${marks[verdict].padEnd(7)}  ${printable(check).padEnd(width)}  ${printable(message)}`)
}

function judge(diagnoses: readonly Diagnosis[]): void {
  if (diagnoses.some(({ verdict }) => verdict === 'problem')) process.exitCode = 1
}

/** Adds the command to the program. */
export function registerDoctor(program: Command): void {
  apiOptions(
    program
      .command('doctor')
      .description(
        'look at configuration, store, database, keys, certificate, clock and leftovers, and say what to do. Status 1 when there is a problem',
      )
      .argument('[config-or-directory]', 'config.yml of the registry, or its data directory'),
  ).action(runDoctor)
}
