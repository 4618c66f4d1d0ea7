/** Who vouches for people and machines: identity providers, in the order in which they are asked. */
import type { ItemOf } from '../../api/client.ts'
import { ActionIcon, Badge, Button, Group, Menu, Switch, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { ArrowDown, ArrowUp, FlaskConical, Pencil, Plus, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { change, query } from '../../api/client.ts'
import { deleteProvider, listProviders, testProvider, updateProvider } from '../../api/manage-routes.ts'
import { readSystem } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { act, Dialog, Form, Side } from '../../parts/form.tsx'
import { PageHead, Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { RowMenu } from '../../parts/row-menu.tsx'
import { Row } from '../../parts/rows.tsx'
import { useWords } from '../../parts/use-words.ts'
import { ProviderForm } from './provider-form.tsx'
import { ProviderTest } from './provider-test.tsx'

export type Provider = ItemOf<typeof listProviders>
type Opened =
  | { readonly what: 'form'; readonly provider: Provider | undefined }
  | { readonly what: 'test' | 'delete'; readonly provider: Provider }

const touched = [listProviders, readSystem]

export function ProvidersPage() {
  const { t } = useWords()
  const who = useWho()
  const [opened, setOpened] = useState<Opened>()
  const list = useQuery(query(listProviders))
  const close = () => setOpened(undefined)
  const create = who.may('provider:create') ? (
    <Button leftSection={<Plus size={15} />} onClick={() => setOpened({ what: 'form', provider: undefined })}>
      {t('manage:providers.create')}
    </Button>
  ) : undefined
  return (
    <>
      <PageHead title={t('manage:providers.title')} description={t('manage:providers.text')} actions={create} />
      <Loaded of={list}>
        {({ items }) => (
          <Panel isFlush>
            <ul className="rows" aria-label={t('manage:providers.title')}>
              {items.map((provider, at) => (
                <OneProvider key={provider.id} provider={provider} open={setOpened} isFirst={at === 0} isLast={at === items.length - 1} />
              ))}
            </ul>
          </Panel>
        )}
      </Loaded>
      <Side
        title={opened?.provider?.title ?? t('manage:providers.create')}
        opened={opened !== undefined && opened.what !== 'delete'}
        close={close}
        width={680}
      >
        {opened?.what === 'form' && <ProviderForm provider={opened.provider} close={close} />}
        {opened?.what === 'test' && opened.provider.kind !== 'local' && (
          <ProviderTest
            kind={opened.provider.kind}
            test={(person) => change(testProvider, { params: { provider: opened.provider.name }, body: person })}
          />
        )}
      </Side>
      <Dialog title={t('manage:providers.delete')} opened={opened?.what === 'delete'} close={close}>
        {opened?.what === 'delete' && <Deletion provider={opened.provider} close={close} />}
      </Dialog>
    </>
  )
}

interface OneProps {
  readonly provider: Provider
  readonly open: (opened: Opened) => void
  readonly isFirst: boolean
  readonly isLast: boolean
}

function OneProvider({ provider, open, isFirst, isLast }: OneProps) {
  const { t } = useWords()
  const who = useWho()
  const { name, title, kind, isEnabled, position, warnings } = provider
  const set = (body: { readonly isEnabled?: boolean; readonly position?: number }) =>
    void act(() => change(updateProvider, { params: { provider: name }, body, ifMatch: provider.version }, touched))
  // What comes from the configuration's own file is changed there.
  const isOurs = kind !== 'local' && !(provider.settings as { readonly isFromConfiguration?: boolean }).isFromConfiguration
  return (
    <Row
      title={
        <Group gap={8}>
          {title}
          <Badge size="sm">{t(`manage:providers.kinds.${kind}`)}</Badge>
        </Group>
      }
      text={
        <>
          <span className="mono">{name}</span>
          {!isOurs && kind !== 'local' && ` · ${t('manage:providers.fromConfiguration')}`}
          {(warnings ?? []).map((warning) => (
            <Text key={warning} size="sm" c="var(--mantine-color-text)" lang="en">
              {warning}
            </Text>
          ))}
        </>
      }
    >
      <Group gap={6} wrap="nowrap">
        {who.may('provider:update') ? (
          <Switch
            size="xs"
            checked={isEnabled}
            onChange={(event) => set({ isEnabled: event.currentTarget.checked })}
            aria-label={t('manage:providers.switch', { name: title })}
          />
        ) : (
          !isEnabled && <Badge size="sm">{t('robots.disabled')}</Badge>
        )}
        {who.may('provider:update') && (
          <>
            <ActionIcon
              disabled={isFirst}
              onClick={() => set({ position: position - 1 })}
              aria-label={t('manage:providers.up', { name: title })}
            >
              <ArrowUp size={15} />
            </ActionIcon>
            <ActionIcon
              disabled={isLast}
              onClick={() => set({ position: position + 1 })}
              aria-label={t('manage:providers.down', { name: title })}
            >
              <ArrowDown size={15} />
            </ActionIcon>
          </>
        )}
        {kind !== 'local' && <ProviderMenu provider={provider} open={open} isOurs={isOurs} />}
      </Group>
    </Row>
  )
}

function ProviderMenu({ provider, open, isOurs }: Pick<OneProps, 'provider' | 'open'> & { readonly isOurs: boolean }) {
  const { t } = useWords()
  const who = useWho()
  return (
    <RowMenu name={provider.title}>
      {isOurs && who.may('provider:update') && (
        <Menu.Item leftSection={<Pencil size={15} />} onClick={() => open({ what: 'form', provider })}>
          {t('manage:common.change')}
        </Menu.Item>
      )}
      {who.may('provider:test') && (
        <Menu.Item leftSection={<FlaskConical size={15} />} onClick={() => open({ what: 'test', provider })}>
          {t('manage:providers.tryOut')}
        </Menu.Item>
      )}
      {isOurs && who.may('provider:delete') && (
        <Menu.Item color="red" leftSection={<Trash2 size={15} />} onClick={() => open({ what: 'delete', provider })}>
          {t('common.delete')}
        </Menu.Item>
      )}
    </RowMenu>
  )
}

/** Accounts that only it opened are disabled, so its name is typed. */
function Deletion({ provider, close }: { readonly provider: Provider; readonly close: () => void }) {
  const { t } = useWords()
  const [typed, setTyped] = useState('')
  const [isForced, setForced] = useState(false)
  const remove = async () => {
    await change(deleteProvider, { params: { provider: provider.name }, query: { force: isForced }, ifMatch: provider.version }, touched)
    tell(t('manage:providers.removed', { name: provider.title }))
    close()
  }
  return (
    <Form save={remove} submit={t('common.delete')} close={close} color="red" isDisabled={typed !== provider.name}>
      <Text size="sm" c="dimmed">
        {t('manage:providers.deleteText')}
      </Text>
      <TextInput
        label={t('project.typeName', { name: provider.name })}
        value={typed}
        onChange={(event) => setTyped(event.currentTarget.value)}
        autoComplete="off"
        data-autofocus
      />
      <Switch
        label={t('manage:providers.force')}
        description={t('manage:providers.forceHint')}
        checked={isForced}
        onChange={(event) => setForced(event.currentTarget.checked)}
      />
    </Form>
  )
}
