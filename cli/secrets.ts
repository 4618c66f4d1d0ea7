/** `berth secrets rotate`: seals again what is sealed under an older key. */
import type { Command } from 'commander'
import { resealSecrets } from '#main.ts'
import { plural, withBerth } from './data-command.ts'

async function runRotate(source: string | undefined): Promise<void> {
  await withBerth(source, async (berth) => {
    const { resealed, current, changed, broken } = await resealSecrets(berth)
    console.log(`${plural(resealed, 'secret')} sealed under the first key, ${current} were already`)
    if (changed > 0) console.log(`${changed} changed meanwhile: run this once more`)
    for (const context of broken) console.error(`${context} opens with none of the keys: what it held is lost, set it again`)
    if (broken.length > 0 || changed > 0) process.exitCode = 1
  })
}

/** Adds the command to the program. */
export function registerSecrets(program: Command): void {
  const secrets = program.command('secrets').description('secrets in the database, which are sealed under the keys of secrets.keyfile')
  secrets
    .command('rotate')
    .description('seal everything under the first key of the file, so that the others can be taken out. Works beside a running server')
    .argument('[config-or-directory]', 'config.yml of the registry, or its data directory')
    .action(runRotate)
}
