/** The shop's only page: it shows which version serves it, live. */
export function shopPage(version: string, colour: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Teal Shop ${version}</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 40rem; padding: 2rem; }
  header { background: ${colour}; border-radius: .5rem; color: #fff; padding: 1rem 1.5rem; }
  li { margin: .5rem 0 }
</style>
<header><h1>Teal Shop</h1><p>served by <strong>${version}</strong></p></header>
<ul id="products"></ul>
<p>Live: <output id="live">connecting</output></p>
<p>Visitors: <output id="events">connecting</output></p>
<script type="module">
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  const { products } = await (await fetch('api/products')).json();
  document.getElementById('products').replaceChildren(...products.map(({ name, price }) => {
    const item = document.createElement('li');
    item.textContent = name + ' ' + price + ' €';
    return item;
  }));
  const connect = () => {
    const socket = new WebSocket(new URL('live', location.href.replace(/^http/, 'ws')));
    socket.onopen = () => socket.send('hello');
    socket.onmessage = ({ data }) => show('live', JSON.parse(data).version);
    socket.onclose = () => setTimeout(connect, 500);
  };
  connect();
  new EventSource('events').onmessage = ({ data }) => show('events', data);
</script>
</html>
`;
}
