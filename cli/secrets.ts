/** `berth secrets …`: seals again what is sealed under an older key, or goes on where the key is lost. */
import type { Command } from 'commander'
import { resealSecrets, startSecretsAnew } from '#main.ts'
import { plural, withBerth } from './data-command.ts'
import { confirm, yesOption } from './prompt.ts'

async function runRotate(source: string | undefined): Promise<void> {
  await withBerth(source, async (berth) => {
    const { resealed, current, changed, broken } = await resealSecrets(berth)
    console.log(`${plural(resealed, 'secret')} sealed under the first key, ${current} were already`)
    if (changed > 0) console.log(`${changed} changed meanwhile: run this once more`)
    for (const context of broken) console.error(`${context} opens with none of the keys: what it held is lost, set it again`)
    if (broken.length > 0 || changed > 0) process.exitCode = 1
  })
}

async function runStartAnew(source: string | undefined, flags: { readonly yes?: boolean }): Promise<void> {
  await confirm('Give up every secret that the present key does not open?', flags)
  const start = async (berth: Parameters<typeof startSecretsAnew>[0]) => {
    const { lost, isFresh } = await startSecretsAnew(berth)
    for (const context of lost) console.log(`${context} is lost: set it again`)
    if (lost.length === 0) console.log('nothing is lost: the present key opens all that is sealed')
    if (isFresh) console.log('a fresh key signs bearer tokens from now on')
  }
  await withBerth(source, start, { startsSecretsAnew: true })
}

/** Adds the command to the program. */
export function registerSecrets(program: Command): void {
  const secrets = program.command('secrets').description('secrets in the database, which are sealed under the keys of secrets.keyfile')
  secrets
    .command('rotate')
    .description('seal everything under the first key of the file, so that the others can be taken out. Works beside a running server')
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .action(runRotate)
  secrets
    .command('start-anew')
    .description(
      'go on although the key file is lost for good, while no server runs: makes the file if it is not there, and names what is lost; providers’ secrets must be set again, one-time codes enrolled again, and bearer tokens end',
    )
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .option(...yesOption)
    .action(runStartAnew)
}
