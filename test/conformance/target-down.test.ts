import { describe, expect } from 'vitest';
import { row, useLab } from '../support/lab.ts';
import { head } from '../support/message.ts';
import { ScriptedTarget } from '../support/scripted-target.ts';

const lab = useLab();

const HOST = 'Host: gate.test';

describe('M. Target down', () => {
  for (const method of ['GET', 'POST']) {
    row(
      'M01-refused',
      async () => {
        const target = await lab.target();
        await target.close();
        const client = await lab.send(head(`${method} /x HTTP/1.1`, HOST, 'Content-Length: 0'));
        expect([502, 503, 504]).toContain((await client.readFinal({ deadlineMs: 3_500 })).status);
      },
      method,
    );
  }

  row('M02-recover', async () => {
    const target = await lab.target();
    const client = await lab.send(head('GET /1 HTTP/1.1', HOST));
    expect((await client.readFinal()).status).toBe(200);
    const { port } = target;
    await target.close();
    for (let i = 0; i < 5; i++) {
      client.write(head('GET /2 HTTP/1.1', HOST));
      expect((await client.readFinal()).status).toBeGreaterThanOrEqual(502);
    }
    const back = await ScriptedTarget.listen(undefined, port);
    client.write(head('GET /3 HTTP/1.1', HOST));
    const answer = await client.readFinal();
    await back.close();
    expect(`${answer.status} ${answer.body.bytes}`).toBe('200 GET /3');
  });
});
