/** `berth node …`: the processes that serve on one database. */
import type { Command } from 'commander'
import { listNodes } from '#api/routes/nodes.ts'
import { apiOptions, withClient, type ApiFlags } from './api-command.ts'
import { printable, printRows } from './print.ts'

async function runList(flags: ApiFlags): Promise<void> {
  await withClient(flags, async ({ client, print }) => {
    const list = await client.call(listNodes)
    print(list, () => {
      const rows = list.items.map(({ name, address, processId, state, version, startedAt, seenAt, clockOffsetMs }) => [
        name,
        address,
        processId,
        state,
        version,
        startedAt,
        seenAt,
        clockOffsetMs === null ? '-' : `${clockOffsetMs} ms`,
      ])
      printRows(['NODE', 'ADDRESS', 'PROCESS', 'STATE', 'VERSION', 'SINCE', 'SEEN', 'CLOCK'], rows)
      for (const warning of list.warnings) console.error(`warning: ${printable(warning)}`)
    })
  })
}

/** Adds the command to the program. */
export function registerNode(program: Command): void {
  const node = program.command('node').description('nodes: the processes that serve on one database')
  apiOptions(node.command('list').description('list nodes, their versions and clocks, and what is wrong with them as a whole')).action(
    runList,
  )
}
