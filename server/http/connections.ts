/** The open connections of a server and the answers under way on each, so that a drain can tell the idle from the busy. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export interface Connections {
  track(socket: Socket): void
  begin(socket: Socket, response: ServerResponse): void
  end(socket: Socket, response: ServerResponse): void
  /** Answers under way on this connection, oldest first. */
  answering(socket: Socket): readonly ServerResponse[]
  /** The connections that are open now close once their answers under way are out: what their clients showed in the handshake counts no more. */
  retire(): void
  /**
   * From now on a connection closes when its last answer is out; those with none close at once. Resolves when the answers that are under way now are
   * out; connections that come later live for their one answer.
   */
  settle(): Promise<void>
  /** After `settle`: no connection is welcome any more, those without an answer under way close. Resolves when all are closed. */
  drain(): Promise<void>
  /** Cuts all that are left. */
  destroyAll(): void
}

export function createConnections(): Connections {
  const open = new Map<Socket, Set<ServerResponse>>()
  const retired = new WeakSet<Socket>()
  /** What `settle` waits for. */
  const awaited = new Set<ServerResponse>()
  let stage: 'serving' | 'settling' | 'draining' = 'serving'
  let onSettled: (() => void) | undefined
  let onEmpty: (() => void) | undefined
  const finish = (response: ServerResponse) => {
    if (awaited.delete(response) && awaited.size === 0) onSettled?.()
  }
  const forget = (socket: Socket) => {
    // An answer that waits behind another one on a broken connection says nothing of its end.
    for (const response of open.get(socket) ?? []) finish(response)
    open.delete(socket)
    if (open.size === 0) onEmpty?.()
  }
  const closeIdle = () => {
    for (const [socket, answers] of open) if (answers.size === 0) socket.destroySoon()
  }
  return {
    track(socket) {
      open.set(socket, new Set())
      socket.once('close', () => forget(socket))
      if (stage === 'draining') socket.destroy()
    },
    begin: (socket, response) => void open.get(socket)?.add(response),
    end(socket, response) {
      const answers = open.get(socket)
      answers?.delete(response)
      finish(response)
      if ((stage !== 'serving' || retired.has(socket)) && answers?.size === 0) socket.destroySoon()
    },
    retire() {
      for (const socket of open.keys()) retired.add(socket)
      closeIdle()
    },
    answering: (socket) => [...(open.get(socket) ?? [])],
    async settle() {
      stage = 'settling'
      const { promise, resolve } = Promise.withResolvers<void>()
      onSettled = resolve
      for (const answers of open.values()) for (const response of answers) awaited.add(response)
      if (awaited.size === 0) resolve()
      closeIdle()
      await promise
    },
    async drain() {
      stage = 'draining'
      const { promise, resolve } = Promise.withResolvers<void>()
      onEmpty = resolve
      if (open.size === 0) resolve()
      closeIdle()
      await promise
    },
    destroyAll() {
      for (const socket of open.keys()) socket.destroy()
    },
  }
}
