/** Who may come in, by address, and how much one address or credential may ask. */
import type { ResponseOf } from '#api/contract.ts'
import type { readSystemSettings as ReadSettings } from '#api/routes/system.ts'
import { Alert, SimpleGrid, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Info } from 'lucide-react'
import { change, query } from '../../api/client.ts'
import { readSystemSettings, updateSystemSettings } from '../../api/routes.ts'
import { useWho } from '../../api/session.ts'
import { Form, useDraft } from '../../parts/form.tsx'
import { PageHead, Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { Facts } from '../../parts/rows.tsx'
import { Said } from '../../parts/said.ts'
import { useWords } from '../../parts/use-words.ts'
import { NetworkForm } from '../networks/network-form.tsx'

type Settings = ResponseOf<typeof ReadSettings>

export function NetworksPage() {
  const { t } = useWords()
  const who = useWho()
  const settings = useQuery(query(readSystemSettings))
  const mayChange = who.may('system:update')
  return (
    <>
      <PageHead title={t('manage:networks.title')} description={t('manage:networks.pageText')} />
      <Loaded of={settings}>
        {(data) => (
          <Stack gap="lg" maw={820}>
            <Panel title={t('manage:networks.title')}>
              {mayChange ? (
                <NetworkForm
                  key={data.version}
                  networks={data.networks}
                  text={t('manage:networks.systemText')}
                  save={(networks, force) =>
                    change(updateSystemSettings, { query: { force }, body: { networks }, ifMatch: data.version }, [readSystemSettings])
                  }
                />
              ) : (
                <Facts
                  facts={[
                    [t('manage:networks.allow'), data.networks.allow.join(', ') || t('manage:networks.everywhere')],
                    [t('manage:networks.deny'), data.networks.deny.join(', ') || '–'],
                  ]}
                />
              )}
            </Panel>
            {mayChange && (
              <Panel title={t('manage:limits.title')}>
                <RateLimits key={data.version} settings={data} />
              </Panel>
            )}
            <Alert icon={<Info size={17} />} color="blue">
              <Text size="sm" c="var(--mantine-color-text)">
                {t('manage:networks.projectsToo')}
              </Text>
            </Alert>
          </Stack>
        )}
      </Loaded>
    </>
  )
}

type Limit = Settings['rateLimits']['perAddress']

const draftOf = (limit: Limit) => ({
  rate: limit === null ? '' : String(limit.requestsPerSecond),
  burst: limit === null ? '' : String(limit.burst),
})

function RateLimits({ settings }: { readonly settings: Settings }) {
  const { t } = useWords()
  const address = useDraft(draftOf(settings.rateLimits.perAddress))
  const credential = useDraft(draftOf(settings.rateLimits.perCredential))
  const limitOf = ({ rate, burst }: { readonly rate: string; readonly burst: string }): Limit => {
    if (rate.trim() === '' && burst.trim() === '') return null
    const limit = {
      requestsPerSecond: Number(rate.replace(',', '.')),
      burst: burst.trim() === '' ? Math.max(1, Math.ceil(Number(rate))) : Number(burst),
    }
    if (!(limit.requestsPerSecond > 0) || !Number.isInteger(limit.burst)) throw new Said(t('manage:quotas.noNumber'))
    return limit
  }
  const save = async () => {
    const rateLimits = { perAddress: limitOf(address.draft), perCredential: limitOf(credential.draft) }
    await change(updateSystemSettings, { body: { rateLimits }, ifMatch: settings.version }, [readSystemSettings])
    tell(t('common.saved'))
  }
  const number = { inputMode: 'decimal', placeholder: t('project.noLimit'), autoComplete: 'off' } as const
  return (
    <Form save={save}>
      <Text size="sm" c="dimmed">
        {t('manage:limits.text')}
      </Text>
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <TextInput label={t('manage:limits.address')} {...number} {...address.text('rate')} />
        <TextInput
          label={t('manage:limits.burst')}
          aria-label={`${t('manage:limits.address')}: ${t('manage:limits.burst')}`}
          {...number}
          {...address.text('burst')}
        />
        <TextInput label={t('manage:limits.credential')} {...number} {...credential.text('rate')} />
        <TextInput
          label={t('manage:limits.burst')}
          aria-label={`${t('manage:limits.credential')}: ${t('manage:limits.burst')}`}
          {...number}
          {...credential.text('burst')}
        />
      </SimpleGrid>
    </Form>
  )
}
