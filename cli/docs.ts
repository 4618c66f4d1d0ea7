import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { documentConfiguration } from '#config/document.ts'
import { documentErrors } from '#oci/document-errors.ts'
import { documentCommands } from './document-commands.ts'

/** The pages of docs/reference/ that come from the code; tests hold each fresh. */
export async function generatedPages(program: Command): Promise<ReadonlyMap<string, string>> {
  // The routes and their schemas are loaded for this page alone: `serve` starts without them.
  const { documentPermissions } = await import('./document-permissions.ts')
  return new Map([
    ['configuration.md', documentConfiguration()],
    ['cli.md', documentCommands(program)],
    ['errors.md', documentErrors()],
    ['permissions.md', documentPermissions()],
  ])
}

/** Where {@link generatedPages} are kept. */
export const referenceDirectory: URL = new URL('../docs/reference/', import.meta.url)

/** `berth docs`, hidden: what `npm run docs` calls. */
export function registerDocs(program: Command): void {
  program
    .command('docs', { hidden: true })
    .description('write the generated pages of docs/reference/')
    .action(async () => {
      for (const [name, text] of await generatedPages(program)) await writeFile(new URL(name, referenceDirectory), text)
    })
}
