/** The open connections of a server and the answers under way on each, so that a drain can tell the idle from the busy. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Connections {
  track(socket: Socket): void
  begin(socket: Socket, response: ServerResponse): void
  end(socket: Socket, response: ServerResponse): void
  /** Answers under way on this connection, oldest first. */
  answering(socket: Socket): readonly ServerResponse[]
  /** From now on a connection closes when its last answer is out; those with none close at once. Resolves when all are closed. */
  drain(): Promise<void>
  /** Cuts all that are left. */
  destroyAll(): void
}

export function createConnections(): Connections {
  const open = new Map<Socket, Set<ServerResponse>>()
  let isDraining = false
  let onEmpty: (() => void) | undefined
  const forget = (socket: Socket) => {
    open.delete(socket)
    if (open.size === 0) onEmpty?.()
  }
  return {
    track(socket) {
      open.set(socket, new Set())
      socket.once('close', () => forget(socket))
      if (isDraining) socket.destroy()
    },
    begin: (socket, response) => void open.get(socket)?.add(response),
    end(socket, response) {
      const answers = open.get(socket)
      answers?.delete(response)
      if (isDraining && answers?.size === 0) socket.destroySoon()
    },
    answering: (socket) => [...(open.get(socket) ?? [])],
    async drain() {
      isDraining = true
      const { promise, resolve } = Promise.withResolvers<void>()
      onEmpty = resolve
      if (open.size === 0) resolve()
      for (const [socket, answers] of open) if (answers.size === 0) socket.destroySoon()
      await promise
    },
    destroyAll() {
      for (const socket of open.keys()) socket.destroy()
    },
  }
}
